package kernels

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestPoolRunsEveryTaskOnItsWorker(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5} {
		p := NewPool(n)
		owner := map[int]int{}
		for round := 0; round < 200; round++ {
			tasks := round % 23
			ran := make([]atomic.Int32, tasks)
			by := make([]int, tasks)
			p.Run(tasks, func(w, i int) {
				ran[i].Add(1)
				by[i] = w
			})
			for i := range ran {
				if ran[i].Load() != 1 {
					t.Fatalf("%d workers: task %d of %d ran %d times", n, i, tasks, ran[i].Load())
				}
				if tasks == 22 {
					if w, ok := owner[i]; ok && w != by[i] {
						t.Fatalf("%d workers: task %d moved from worker %d to %d", n, i, w, by[i])
					}
					owner[i] = by[i]
				}
			}
			if round%50 == 0 {
				time.Sleep(time.Millisecond) // let the workers fall asleep
			}
		}
		p.Close()
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
