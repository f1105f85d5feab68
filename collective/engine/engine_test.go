package engine

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fasternet/collective"
	"fasternet/internal/patience"
)

// values returns numbers of many magnitudes, so that the order of a sum changes its bits.
func values[T number](rank, n int) []T {
	x := make([]T, n)
	s := uint64(rank+1) * 0x9E3779B97F4A7C15
	for i := range x {
		s ^= s << 13
		s ^= s >> 7
		s ^= s << 17
		x[i] = T(math.Ldexp(float64(int64(s))/(1<<63), int(s%40)-20))
	}
	return x
}

// inOrder returns the sum in the order of the ranks.
func inOrder[T number](ranks, n int) []T {
	sum := values[T](0, n)
	for r := 1; r < ranks; r++ {
		for i, v := range values[T](r, n) {
			sum[i] += v
		}
	}
	return sum
}

var lengths = []int{0, 1, 2, 3, 5, 17, 1000, directBytes / 4, directBytes/4 + 1, 100003, 2<<20 + 7}

func TestSumHasTheBitsOfTheOrderOfTheRanksOnAllOfThem(t *testing.T) {
	for _, ranks := range []int{1, 2, 3, 5} {
		j := newJob(t, ranks, time.Hour)
		for _, n := range lengths {
			if n > 1<<20 && ranks > 3 {
				continue
			}
			want, want64 := inOrder[float32](ranks, n), inOrder[float64](ranks, n)
			for r, err := range j.each(func(r int) error {
				x, y := values[float32](r, n), values[float64](r, n)
				if err := j.groups[r].Sum(x); err != nil {
					return err
				}
				if err := j.groups[r].Sum64(y); err != nil {
					return err
				}
				if !bytes.Equal(asBytes(x), asBytes(want)) || !bytes.Equal(asBytes(y), asBytes(want64)) {
					return errors.New("another sum")
				}
				return nil
			}) {
				if err != nil {
					t.Errorf("%d numbers, rank %d of %d: %v", n, r, ranks, err)
				}
			}
		}
	}
}

func TestOperationsInTheBackgroundAndOthersBetweenThem(t *testing.T) {
	const ranks, rounds = 3, 12
	j := newJob(t, ranks, time.Hour)
	for r, err := range j.each(func(r int) error {
		g := j.groups[r]
		var waits []func() error
		var xs [][]float32
		for i := range rounds {
			x := values[float32](r, 1+i*30001)
			xs = append(xs, x)
			waits = append(waits, g.Start(x))
			small := []float64{float64(r), 1}
			if err := g.Sum64(small); err != nil || small[0] != 3 || small[1] != ranks {
				return fmt.Errorf("round %d: %v, %v", i, small, err)
			}
			if err := g.Barrier(); err != nil {
				return err
			}
		}
		for i := range rounds {
			k := (i*5 + r) % rounds // each rank waits in another order
			if err := waits[k](); err != nil {
				return err
			}
			if err := waits[k](); err != nil { // a second wait returns the same
				return err
			}
			if want := inOrder[float32](ranks, len(xs[k])); !bytes.Equal(asBytes(xs[k]), asBytes(want)) {
				return fmt.Errorf("sum %d differs", k)
			}
		}
		return g.Close()
	}) {
		if err != nil {
			t.Errorf("rank %d: %v", r, err)
		}
	}
	if err := j.groups[0].Sum(make([]float32, 3)); err == nil {
		t.Error("a sum after Close succeeds")
	}
}

func TestBroadcastAndGather(t *testing.T) {
	for _, ranks := range []int{2, 3, 5} {
		j := newJob(t, ranks, time.Hour)
		for _, n := range []int{0, 1, 777, directBytes, directBytes + 1, 8<<20 + 3} {
			root := n % ranks
			want := bytes.Repeat([]byte{byte(n), 2, 3}, n/3+1)[:n]
			for r, err := range j.each(func(r int) error {
				data := make([]byte, n)
				if r == root {
					copy(data, want)
				}
				if err := j.groups[r].Broadcast(data, root); err != nil {
					return err
				}
				if !bytes.Equal(data, want) {
					return errors.New("the broadcast brought something else")
				}
				mine := bytes.Repeat([]byte{byte(r)}, n*r/2)
				all, err := j.groups[r].Gather(mine)
				if err != nil {
					return err
				}
				for p, b := range all {
					if !bytes.Equal(b, bytes.Repeat([]byte{byte(p)}, n*p/2)) {
						return fmt.Errorf("gathered %d bytes of rank %d", len(b), p)
					}
				}
				return nil
			}) {
				if err != nil {
					t.Errorf("%d bytes, rank %d of %d: %v", n, r, ranks, err)
				}
			}
		}
	}
}

func TestNames(t *testing.T) {
	j := newJob(t, 4, time.Hour)
	g := j.groups[3]
	if g.Rank() != 3 || g.Size() != 4 || g.LocalRank() != 1 || g.LocalSize() != 2 || g.Name(2) != "rank 2 on node1" {
		t.Errorf("rank %d of %d, %d of %d here; %s", g.Rank(), g.Size(), g.LocalRank(), g.LocalSize(), g.Name(2))
	}
	if err := g.Broadcast(nil, 4); err == nil {
		t.Error("a broadcast from a rank that there is not succeeds")
	}
}

// Ranks that call different operations get an error; their numbers are not mixed.
func TestDifferentOperations(t *testing.T) {
	for _, c := range []struct {
		name   string
		second func(collective.Group) error
	}{
		{"another kind", func(g collective.Group) error { return g.Barrier() }},
		{"another length", func(g collective.Group) error { return g.Sum(make([]float32, 4)) }},
		{"another width", func(g collective.Group) error { return g.Sum64(make([]float64, 500000)) }},
		{"longer", func(g collective.Group) error { return g.Sum(make([]float32, 3<<20)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := newJob(t, 2, time.Hour)
			go func() { _ = c.second(j.groups[1]) }() // in a real job this process would be killed
			if err := j.groups[0].Sum(make([]float32, 500000)); err == nil {
				t.Error("the sum succeeds")
			}
			if m := j.message(t); !strings.HasPrefix(m, "rank 1 on node0: has come to operation 2, ") ||
				!strings.Contains(m, "rank 0 on node0 to operation 2, the sum of 500000 numbers") {
				t.Errorf("got %q", m)
			}
			if err := j.groups[0].Barrier(); err == nil {
				t.Error("the group is used on")
			}
		})
	}
}

func (j *job) message(t *testing.T) string {
	t.Helper()
	return patience.Receive(t, "the job prints a message", j.messages)
}

// timed runs a test of a job in a time of its own, which goes on only while all ranks wait.
func timed(t *testing.T, ranks int, timeout time.Duration, test func(t *testing.T, j *job)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		j := newJob(t, ranks, timeout)
		t.Cleanup(j.halt)
		test(t, j)
	})
}

// last fails if a second message follows.
func (j *job) last(t *testing.T) {
	t.Helper()
	time.Sleep(4 * time.Second)
	synctest.Wait()
	if len(j.messages) > 0 {
		t.Errorf("and a second message: %s", <-j.messages)
	}
}

func TestARankThatDoesNotComeIsNamed(t *testing.T) {
	for _, missing := range []int{0, 2} {
		timed(t, 3, 3*time.Second, func(t *testing.T, j *job) {
			j.groups[missing].Progress("epoch 3, step 120")
			for r := range 3 {
				if r != missing {
					go func() { _ = j.groups[r].Sum(make([]float32, 100)) }()
				}
			}
			m := j.message(t)
			hangs := fmt.Sprintf("rank %d on node%d: hangs", missing, missing/2)
			for _, want := range []string{hangs, "the sum of 100 numbers", "epoch 3, step 120"} {
				if !strings.Contains(m, want) {
					t.Errorf("%q does not say %q", m, want)
				}
			}
			j.last(t)
		})
	}
}

func TestARankThatStandsStillIsNamed(t *testing.T) {
	for _, still := range []int{0, 1, 3} {
		timed(t, 4, 3*time.Second, func(t *testing.T, j *job) {
			j.groups[still].Progress("epoch 1, step 7")
			time.Sleep(time.Second) // time to tell the others where it is
			j.stop(t, still)
			m := j.message(t)
			if want := fmt.Sprintf("rank %d on node%d: hangs: ", still, still/2); !strings.HasPrefix(m, want) ||
				!strings.Contains(m, "no sign of life") || !strings.Contains(m, "epoch 1, step 7") {
				t.Errorf("%q does not say %q", m, want)
			}
		})
	}
}

func TestAbortPrintsOneReason(t *testing.T) {
	for _, rank := range []int{0, 2} {
		timed(t, 3, time.Minute, func(t *testing.T, j *job) {
			go func() { _ = j.groups[1].Barrier() }()
			j.groups[rank].e.aborts <- errors.New("the loss is NaN")
			if m := j.message(t); m != fmt.Sprintf("rank %d on node%d: the loss is NaN", rank, rank/2) {
				t.Errorf("got %q", m)
			}
			if by := patience.Receive(t, "the job ends", j.n.aborted); by != 0 {
				t.Errorf("rank %d ended the job", by)
			}
			j.last(t)
		})
	}
}

// A rank whose messages do not reach rank 0 ends the job itself.
func TestAbortWithoutRank0(t *testing.T) {
	timed(t, 3, time.Minute, func(t *testing.T, j *job) {
		j.stop(t, 0)
		j.groups[2].e.aborts <- errors.New("no data: " + strings.Repeat("x", 3*MaxNote))
		if m := j.message(t); !strings.HasPrefix(m, "rank 2 on node1: no data: xx") {
			t.Errorf("got %q", m)
		}
	})
}

func TestBuffersAreUsedAgain(t *testing.T) {
	j := newJob(t, 2, time.Hour)
	run := func() {
		for _, err := range j.each(func(r int) error { return j.groups[r].Sum(make([]float32, 100000)) }) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	count := func() (n []int) {
		for class, list := range j.groups[0].e.buffers.idle {
			n = append(n, class*1000+len(list))
		}
		slices.Sort(n)
		return n
	}
	run()
	before := count()
	for range 20 {
		run()
	}
	if after := count(); !slices.Equal(before, after) {
		t.Errorf("before %v, after 20 more sums %v", before, after)
	}
}
