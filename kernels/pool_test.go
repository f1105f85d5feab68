package kernels

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fasternet/internal/patience"
)

func TestPoolRunsEveryTaskOnce(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5} {
		p := NewPool(n)
		for round := 0; round < 200; round++ {
			tasks := round % 23
			ran := make([]atomic.Int32, tasks)
			p.Run(tasks, func(w, i int) {
				if w < 0 || w >= n {
					t.Errorf("worker %d of %d", w, n)
				}
				ran[i].Add(1)
			})
			for i := range ran {
				if ran[i].Load() != 1 {
					t.Fatalf("%d workers: task %d of %d ran %d times", n, i, tasks, ran[i].Load())
				}
			}
			if round%50 == 0 {
				time.Sleep(time.Millisecond) // let the workers fall asleep
			}
		}
		p.Close()
	}
}

// Workers that are equally busy keep their tasks: with one task for each worker, and tasks that wait
// for all others, worker i runs task i.
func TestPoolAffinity(t *testing.T) {
	const n = 4
	p := NewPool(n)
	defer p.Close()
	for range 50 {
		var all sync.WaitGroup
		all.Add(n)
		p.Run(n, func(w, i int) {
			if w != i {
				t.Errorf("task %d ran on worker %d", i, w)
			}
			all.Done()
			all.Wait()
		})
	}
}

func TestPoolRaisesPanics(t *testing.T) {
	p := NewPool(3)
	defer p.Close()
	for task := 0; task < 9; task += 4 { // of each worker
		func() {
			defer func() {
				v := recover()
				if s, ok := v.(string); !ok || !strings.Contains(s, "task failed") {
					t.Errorf("task %d: recovered %v", task, v)
				}
			}()
			p.Run(9, func(_, i int) {
				if i == task {
					panic("task failed")
				}
			})
		}()
	}
	var n atomic.Int32
	p.Run(9, func(_, _ int) { n.Add(1) })
	if n.Load() != 9 {
		t.Errorf("after a panic %d of 9 tasks run", n.Load())
	}
}

// The caller of Run may be interrupted between the ticket and the wake-up. Meanwhile the worker may
// have done the job and gone to sleep.
func TestPoolLateWakeUp(t *testing.T) {
	p := NewPool(2)
	defer p.Close()
	w := p.workers[0]
	asleep := func() {
		for !w.asleep.Load() {
			runtime.Gosched()
		}
	}
	ended := make(chan int)
	go func() {
		count := 0
		for range 20 {
			var tasks atomic.Int32
			p.Run(2, func(worker, task int) {
				tasks.Add(1)
				if worker != 0 {
					return
				}
				for p.pending.Load() != 1 { // this task
					runtime.Gosched()
				}
				asleep()
				if w.asleep.CompareAndSwap(true, false) {
					w.wake <- struct{}{}
				}
				asleep()
			})
			count += int(tasks.Load())
		}
		ended <- count
	}()
	if n := patience.Receive(t, "Run ends, although a worker could count itself twice", ended); n != 40 {
		t.Errorf("%d tasks were run, want 40", n)
	}
}

// Run does not wait for a worker without a processor. When that worker comes, it finds the current
// job.
func TestPoolLateWorker(t *testing.T) {
	late := &worker{id: 1, wake: make(chan struct{}, 1)}
	p := &Pool{done: make(chan struct{}, 1), ranges: make([]taskRange, 2), workers: []*worker{late}}
	late.pool = p
	for tasks := range 9 {
		ran := make([]int, tasks)
		p.Run(tasks, func(worker, task int) {
			if worker != 0 {
				t.Error("a worker that was not started has run a task")
			}
			ran[task]++
		})
		for i, n := range ran {
			if n != 1 {
				t.Errorf("task %d of %d ran %d times", i, tasks, n)
			}
		}
	}
	go late.loop()
	defer p.Close()
	var both sync.WaitGroup
	both.Add(2)
	p.Run(2, func(worker, task int) {
		if worker != task {
			t.Errorf("task %d ran on worker %d", task, worker)
		}
		both.Done()
		both.Wait()
	})
}

// A wake-up of the caller may belong to a job that has ended since.
func TestPoolWakesForAnEarlierJob(t *testing.T) {
	p := NewPool(2)
	defer p.Close()
	for range 100 {
		release := make(chan struct{})
		var ran atomic.Int32
		go func() {
			for !p.parked.CompareAndSwap(true, false) {
				runtime.Gosched()
			}
			p.done <- struct{}{}
			for !p.parked.Load() { // the caller has seen that the job is not done
				runtime.Gosched()
			}
			close(release)
		}()
		p.Run(2, func(worker, _ int) {
			if worker != 0 {
				<-release
			}
			for worker == 0 && p.ranges[1].Load()>>32 < 2 {
				runtime.Gosched() // the other task is the other worker's
			}
			ran.Add(1)
		})
		if n := ran.Load(); n != 2 {
			t.Fatalf("Run came back after %d of 2 tasks", n)
		}
	}
}
