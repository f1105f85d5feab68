//go:build unix

package mpi

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"fasternet/checkpoints"
	"fasternet/train"
)

// arguments returns the arguments of a run in a folder of the test, which may be resumed.
func arguments(name string, more ...string) []string {
	return append([]string{"train", "tiny.yaml", "--data", "data", "--run", name, "--resume"}, more...)
}

var processes = regexp.MustCompile(`(\d+) \(process (\d+)\)`)

// process returns the process of a rank, from the output of the job.
func (j *job) process(t *testing.T, rank int) int {
	t.Helper()
	for _, m := range processes.FindAllStringSubmatch(j.out.String(), -1) {
		if m[1] == strconv.Itoa(rank) {
			pid, err := strconv.Atoi(m[2])
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatalf("rank %d has no process in\n%s", rank, j.out.String())
	return 0
}

// whole checks that the last checkpoint of a run is good, and returns its number of batches.
func whole(t *testing.T, name string) int {
	t.Helper()
	f, err := checkpoints.Read(filepath.Join(suite.dir, name, "checkpoints", "last.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	text := f.Meta[train.ProgressKey]
	m := regexp.MustCompile(`"batches":(\d+)`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no batches in %s", text)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A rank that is killed, hangs or diverges ends the job; the run resumes from its last checkpoint, with
// another number of ranks.
func TestFaultsOfATraining(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, l launcher) {
		name := "run-" + strings.ReplaceAll(l.name, " ", "")
		long := []string{"--set", "train.epochs=100000"}

		j := l.start(t, 3, nil, suite.program, arguments(name, long...)...)
		j.saw(t, "epoch 2/100000 step 3/8")
		pid := j.process(t, 1)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		j.wait(t).died(t, "fasternet-train: ", 1, host)
		first := whole(t, name)

		for _, rank := range []int{2, 0} {
			j = l.start(t, 3, nil, suite.program, arguments(name, append(long, "--rank-timeout", "10s")...)...)
			j.saw(t, "resuming")
			j.saw(t, "step 5/8")
			j.reported(t)
			if err := syscall.Kill(j.process(t, rank), syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			j.wait(t).failed(t, "fasternet-train: ", fmt.Sprintf("rank %d on %s: hangs", rank, host), "epoch ", "step ")
		}
		second := whole(t, name)
		if second <= first {
			t.Errorf("the last checkpoint is of %d batches, after it was of %d", second, first)
		}

		l.start(t, 2, nil, suite.program,
			arguments(name, "--set", "train.epochs=100000", "--set", "optim.lr=1e30")...).wait(t).
			failed(t, "fasternet-train: ", "rank ", " on "+host, "diverged", "the loss is NaN")

		epochs := fmt.Sprint(whole(t, name)/8 + 2)
		e := l.start(t, 2, nil, suite.program,
			arguments(name, "--set", "train.epochs="+epochs, "--log-all-ranks")...).wait(t)
		if e.code != 0 ||
			strings.Count(e.text, `"run_dir"`) != 1 ||
			!strings.Contains(e.text, "[rank 1] epoch") ||
			!strings.Contains(e.text, "[rank 0] epoch") {
			t.Errorf("exit code %d\n%s", e.code, e.text)
		}
	})
}

// A fault before the first step is reported once.
func TestRanksThatDoNotFit(t *testing.T) {
	each(t, func(t *testing.T, l launcher) {
		l.start(t, 3, nil, suite.program, "train", "nothing.yaml").wait(t).
			failed(t, "fasternet-train: ", "nothing.yaml", "rank 0")

		script := "#!/bin/sh\n" + `r=${OMPI_COMM_WORLD_RANK:-$PMI_RANK}; ` +
			`if [ "$r" = 2 ]; then set -- "$@" --set optim.lr=0.5; fi; ` +
			`exec ` + suite.program + ` "$@"` + "\n"
		if err := write("other.sh", []byte(script)); err != nil {
			t.Fatal(err)
		}
		l.start(t, 3, nil, "/bin/sh", append([]string{"other.sh"}, arguments("other")...)...).wait(t).
			failed(t, "fasternet-train: ", "rank 2 on ", "optim.lr", "0.5")

		// A rank has no data.
		script = "#!/bin/sh\n" + `r=${OMPI_COMM_WORLD_RANK:-$PMI_RANK}; ` +
			`if [ "$r" = 1 ]; then set -- "$@" --data elsewhere; fi; ` +
			`exec ` + suite.program + ` "$@"` + "\n"
		if err := write("elsewhere.sh", []byte(script)); err != nil {
			t.Fatal(err)
		}
		l.start(t, 3, nil, "/bin/sh", append([]string{"elsewhere.sh"}, arguments("elsewhere")...)...).wait(t).
			failed(t, "fasternet-train: ", "rank 1 on ", "elsewhere")
	})
}

// SIGTERM to one rank stops all of them after the same step, with a checkpoint.
func TestAnInterruptedRankStopsAll(t *testing.T) {
	each(t, func(t *testing.T, l launcher) {
		name := "term-" + strings.ReplaceAll(l.name, " ", "")
		j := l.start(t, 3, nil, suite.program, arguments(name, "--set", "train.epochs=100000")...)
		j.saw(t, "epoch 2/100000 step 1/8")
		if err := syscall.Kill(j.process(t, 2), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		e := j.wait(t)
		if e.code != 143 ||
			strings.Count(e.text, "continue with --resume") != 1 ||
			strings.Contains(e.text, "has died") {
			t.Errorf("exit code %d\n%s", e.code, e.text)
		}
		if n := whole(t, name); n < 9 {
			t.Errorf("the checkpoint is of %d batches", n)
		}
	})
}
