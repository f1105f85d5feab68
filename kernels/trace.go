package kernels

import "time"

// TracedRegion describes one call of [Pool.Run].
type TracedRegion struct {
	Begin time.Time
	Wall  time.Duration   // from the call to its return
	Tasks []time.Duration // the time of every task, by its number
}

// Trace makes the pool call f after every region, or stops that if f is nil. No region may be
// running. It costs two readings of the clock per task.
func (p *Pool) Trace(f func(TracedRegion)) { p.trace = f }

// traced is run, measured task by task.
func (p *Pool) traced(tasks int, f func(worker, task int)) {
	r := TracedRegion{Begin: time.Now(), Tasks: make([]time.Duration, max(tasks, 0))}
	p.run(tasks, func(worker, task int) {
		begin := time.Now()
		f(worker, task)
		r.Tasks[task] = time.Since(begin)
	})
	r.Wall = time.Since(r.Begin)
	p.trace(r)
}

// NewRehearsal returns a pool that cuts work as for n workers, but runs all of it on the goroutine
// that calls Run, as worker 0. With [Pool.Trace] it shows how long the tasks would take on n
// processors, on a machine that has fewer.
func (k *Set) NewRehearsal(n int) *Pool {
	p := k.NewPool(1)
	p.size = max(n, 1)
	return p
}

// Goroutines returns the number of workers that run at the same time: all of them, or one in a
// rehearsal. Tasks see workers below this number.
func (p *Pool) Goroutines() int { return len(p.workers) + 1 }
