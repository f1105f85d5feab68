package kernels

import "time"

// TracedRegion is what one call of [Pool.Run] did.
type TracedRegion struct {
	Begin time.Time
	Wall  time.Duration   // from the call to its return
	Tasks []time.Duration // the time of every task, by its number
}

// Trace has the pool call f after every region; nil ends that. No region may be running.
// It costs two looks at the clock a task.
func (p *Pool) Trace(f func(TracedRegion)) { p.trace = f }

// traced is run, task by task.
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

// NewRehearsal is a pool for which operations cut their work as for n workers, and which lets
// the goroutine that calls Run do all of it, as worker 0. With [Pool.Trace] it shows how long
// the tasks would take on a machine with n processors, on one that has fewer.
func (k *Set) NewRehearsal(n int) *Pool {
	p := k.NewPool(1)
	p.size = max(n, 1)
	return p
}

// Goroutines is the number of workers that run at the same time: all of them, or one in a
// rehearsal. The workers that tasks see are below it.
func (p *Pool) Goroutines() int { return len(p.workers) + 1 }
