package kernels

import (
	"slices"
	"testing"
	"time"
)

// A trace has every region with all of its tasks, and tracing changes no result.
func TestTrace(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 3} {
		p := NewPool(workers)
		var seen []TracedRegion
		p.Trace(func(r TracedRegion) { seen = append(seen, r) })
		done := make([]int, 20)
		for _, tasks := range []int{20, 1, 0} {
			p.Run(tasks, func(_, task int) {
				done[task]++
				for begin := time.Now(); time.Since(begin) < 10*time.Microsecond; {
				}
			})
		}
		p.Trace(nil)
		p.Run(1, func(_, _ int) {})
		p.Close()
		if want := slices.Repeat([]int{1}, 20); done[0] != 2 || !slices.Equal(done[1:], want[1:]) {
			t.Errorf("%d workers: tasks ran %v times", workers, done)
		}
		if len(seen) != 3 {
			t.Fatalf("%d workers: %d regions, want 3", workers, len(seen))
		}
		for i, tasks := range []int{20, 1, 0} {
			r := seen[i]
			if len(r.Tasks) != tasks ||
				tasks > 0 && (slices.Min(r.Tasks) < 10*time.Microsecond || r.Wall < slices.Max(r.Tasks)) ||
				r.Begin.IsZero() {
				t.Errorf("%d workers, %d tasks: %+v", workers, tasks, r)
			}
		}
	}
}

// A rehearsal has the requested number of workers, and one of them works.
func TestRehearsal(t *testing.T) {
	t.Parallel()
	p := Default().NewRehearsal(5)
	defer p.Close()
	if p.Workers() != 5 || p.Goroutines() != 1 {
		t.Errorf("%d workers, %d at a time", p.Workers(), p.Goroutines())
	}
	var order []int
	p.Run(7, func(worker, task int) {
		if worker != 0 {
			t.Errorf("task %d is run by worker %d", task, worker)
		}
		order = append(order, task)
	})
	if !slices.Equal(order, []int{0, 1, 2, 3, 4, 5, 6}) {
		t.Errorf("the tasks ran in the order %v", order)
	}
}
