//go:build unix

package mpi

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// Sums of many lengths, broadcasts and gatherings work alone and mixed.
func TestOperations(t *testing.T) {
	each(t, func(t *testing.T, l launcher) {
		for _, n := range []int{2, 3, 4} {
			e := l.start(t, n, nil, suite.ranks, "-test.v", "-test.run", "^TestRanksOperations$").wait(t)
			if e.code != 0 || strings.Count(e.text, "\n--- PASS") != n {
				t.Errorf("%d ranks: exit code %d\n%s", n, e.code, e.text)
			}
			if strings.Contains(e.text, "WARN") {
				t.Errorf("%d ranks: the library warns\n%s", n, e.text)
			}
		}
	})
}

// A job whose ranks disagree ends with one message.
func TestFaultsOfRanks(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, l launcher) {
		for _, c := range []struct {
			fault string
			rank  int
			want  []string
		}{
			{"abort", 2, []string{"rank 2 on " + host, "the loss is NaN"}},
			{"abort", 0, []string{"rank 0 on " + host, "the loss is NaN"}},
			{"late", 1, []string{"rank 1 on " + host, "has not come to operation", "at epoch 1, step 20"}},
			{"late", 0, []string{"rank 0 on " + host, "has not come to operation", "at epoch 1, step 20"}},
			{"stop", 2, []string{"rank 2 on " + host, "no sign of life", "epoch 1, step"}},
			{"stop", 0, []string{"rank 0 on " + host, "no sign of life", "epoch 1, step"}},
			{"kill", 1, nil},
			{"kill", 0, nil},
			{"another", 1, []string{"rank"}}, // length or kind, depending on who is first
			{"all", -1, []string{"all ranks fail"}},
		} {
			env := []string{"FASTERNET_TEST_FAULT=" + c.fault, fmt.Sprintf("FASTERNET_TEST_RANK=%d", c.rank)}
			t.Run(fmt.Sprint(c.fault, c.rank), func(t *testing.T) {
				e := l.start(t, 3, env, suite.ranks, "-test.run", "^TestRanksFault$").wait(t)
				if c.fault == "kill" {
					e.died(t, "rank ", c.rank, host)
					return
				}
				e.failed(t, "rank ", c.want...)
			})
		}
	})
}
