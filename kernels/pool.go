package kernels

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
)

// Pool runs tasks on a fixed number of workers. Task i of n begins with the same worker every time,
// so that its rows stay in that worker's cache from one operation to the next. An idle worker takes
// over the last tasks of another. The goroutine that calls Run is worker 0.
//
// A pool has the set of kernels that its tasks use.
//
// A pool is used by one goroutine at a time.
type Pool struct {
	kernels *Set
	meter   *Meter        // of the kernels, or nil
	size    int           // number of workers
	workers []*worker     // the workers with goroutines of their own
	pending atomic.Int64  // unfinished tasks of the job
	parked  atomic.Bool   // worker 0 sleeps
	done    chan struct{} // wakes worker 0
	failure atomic.Pointer[workerPanic]
	spins   int
	trace   func(TracedRegion) // or nil

	job    func(worker, task int)
	ranges []taskRange // of each worker
}

// taskRange is the tasks [from, to) that a worker has not begun: from in the upper half of the
// word, to in the lower half.
type taskRange struct {
	atomic.Uint64
	_ [56]byte // a cache line of its own
}

func (r *taskRange) set(from, to int) { r.Store(uint64(from)<<32 | uint64(to)) }

// first takes the first task, and last the last one. They return false if there is none.
func (r *taskRange) first() (int, bool) { return r.take(1<<32, 0) }
func (r *taskRange) last() (int, bool)  { return r.take(0, 1) }

func (r *taskRange) take(front, back uint64) (int, bool) {
	for {
		v := r.Load()
		from, to := int(v>>32), int(v&(1<<32-1))
		if from >= to {
			return 0, false
		}
		if r.CompareAndSwap(v, v+front-back) {
			if back > 0 {
				return to - 1, true
			}
			return from, true
		}
	}
}

type worker struct {
	pool   *Pool
	id     int
	ticket atomic.Uint32 // counts jobs; a change is the signal
	asleep atomic.Bool
	wake   chan struct{}
	quit   atomic.Bool
}

type workerPanic struct {
	value any
	stack []byte
}

// spinRounds is how often an idle worker looks for work before it sleeps: about half a millisecond,
// which bridges the gap to the next operation. In a virtual machine, waking a worker whose
// processor sleeps takes 0.1 ms on either side. With a quarter of these rounds, a worker that began
// late once let the other sleep at the end of each operation, and so was late again: FasterNet-L at
// batch 1 took 4 % longer (two threads of a Zen 5).
const spinRounds = 1200000

// reserved is the number of processors that pools leave to others.
var reserved atomic.Int32

// Reserve leaves n of the processors that Go may use to others. It holds for pools that are made
// without a number of workers from now on.
func Reserve(n int) { reserved.Store(int32(n)) }

// NewPool starts a pool of n workers with the kernels of [Default]. n < 1 means one for every
// processor that Go may use, less the reserved ones. Close ends it.
func NewPool(n int) *Pool { return Default().NewPool(n) }

// NewPool starts a pool of n workers with these kernels; see [NewPool].
func (k *Set) NewPool(n int) *Pool {
	procs := max(1, runtime.GOMAXPROCS(0)-int(reserved.Load()))
	if n < 1 {
		n = procs
	}
	p := &Pool{kernels: k, meter: k.meter, size: n, done: make(chan struct{}, 1), ranges: make([]taskRange, n)}
	if n <= procs {
		p.spins = spinRounds
	}
	for i := 1; i < n; i++ {
		w := &worker{pool: p, id: i, wake: make(chan struct{}, 1)}
		p.workers = append(p.workers, w)
		go w.loop()
	}
	return p
}

// Kernels returns the set that the tasks of the pool compute with.
func (p *Pool) Kernels() *Set { return p.kernels }

// Workers returns the number of workers.
func (p *Pool) Workers() int { return p.size }

// Close ends the workers. The pool must not be used afterwards.
func (p *Pool) Close() {
	for _, w := range p.workers {
		w.quit.Store(true)
		w.signal()
	}
	p.workers = nil
}

// Run calls f(worker, task) for every task in [0, tasks), and returns after all calls. It raises a
// panic in f again in the caller, after the other tasks.
//
// It waits for tasks, not for workers. A worker may lose its processor to a goroutine of a loader
// for up to 10 ms. Then it leaves its tasks to the others, and finds a later job when it comes back.
func (p *Pool) Run(tasks int, f func(worker, task int)) {
	if p.trace != nil {
		p.traced(tasks, f)
		return
	}
	if m := p.meter; m != nil {
		m.region(p, tasks, f)
		return
	}
	p.run(tasks, f)
}

func (p *Pool) run(tasks int, f func(worker, task int)) {
	n := len(p.workers) + 1
	if n == 1 || tasks == 1 {
		for i := 0; i < tasks; i++ {
			f(0, i)
		}
		return
	}
	if tasks <= 0 {
		return
	}
	// Before the ranges: a worker that takes a task must find the job and the count.
	p.pending.Store(int64(tasks))
	p.job = f
	for i := range p.ranges {
		p.ranges[i].set(i*tasks/n, (i+1)*tasks/n)
	}
	for _, w := range p.workers {
		w.signal()
	}
	p.work(0)
	p.join()
	if e := p.failure.Swap(nil); e != nil {
		panic(fmt.Sprintf("%v\nin a worker:\n%s", e.value, e.stack))
	}
}

// join waits until all tasks are done. A worker that finished a job, and was interrupted before it
// looked whether to wake this one, may do so in a later job. So this is a loop.
func (p *Pool) join() {
	for {
		for i := 0; i < p.spins; i++ {
			if p.pending.Load() == 0 {
				return
			}
		}
		p.parked.Store(true)
		if p.pending.Load() != 0 {
			<-p.done
			continue
		}
		if !p.parked.CompareAndSwap(true, false) {
			<-p.done // a worker saw the flag and sends
		}
		return
	}
}

func (w *worker) signal() {
	w.ticket.Add(1)
	if w.asleep.CompareAndSwap(true, false) {
		w.wake <- struct{}{}
	}
}

func (w *worker) loop() {
	seen := uint32(0)
	for {
		seen = w.next(seen)
		if w.quit.Load() {
			return
		}
		if w.pool.work(w.id) && w.pool.parked.CompareAndSwap(true, false) {
			w.pool.done <- struct{}{}
		}
	}
}

// next waits for a ticket other than seen, and returns it. A wake-up can come late: its sender was
// interrupted after the ticket, this worker saw the ticket while it looked for work, and the job is
// done. So only the ticket counts.
func (w *worker) next(seen uint32) uint32 {
	for {
		for i := 0; i < w.pool.spins; i++ {
			if t := w.ticket.Load(); t != seen {
				return t
			}
		}
		w.asleep.Store(true)
		if t := w.ticket.Load(); t != seen && w.asleep.CompareAndSwap(true, false) {
			return t
		}
		<-w.wake
		if t := w.ticket.Load(); t != seen {
			return t
		}
	}
}

// work runs tasks of a worker until there are none left, and says whether they were the last ones
// of the job. After a panic it goes on, because nobody else may be there to do the rest.
func (p *Pool) work(id int) (last bool) {
	for {
		done, more := p.some(id)
		if done > 0 {
			last = p.pending.Add(-int64(done)) == 0
		}
		if !more {
			return last
		}
	}
}

// some runs the tasks of a worker, and then the last ones of the others. It counts them, and says
// whether there may be more because one of them panicked. It takes a task only from the job p.job,
// which stays until the task is counted.
func (p *Pool) some(id int) (done int, more bool) {
	defer func() {
		if v := recover(); v != nil {
			p.failure.CompareAndSwap(nil, &workerPanic{v, debug.Stack()})
			done, more = done+1, true
		}
	}()
	for {
		task, ok := p.ranges[id].first()
		if !ok {
			break
		}
		p.job(id, task)
		done++
	}
	for i := range p.ranges {
		for {
			task, ok := p.ranges[(id+i)%len(p.ranges)].last()
			if !ok {
				break
			}
			p.job(id, task)
			done++
		}
	}
	return done, false
}
