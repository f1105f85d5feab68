package data

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"fasternet/internal/progress"
)

// eachFile calls f for the numbers below n, in several goroutines, and reports how far it is as a task
// (package progress). f gets memory to read into and returns it, perhaps larger. When ctx ends, eachFile
// returns its cause at once: a file on a network disk that does not answer cannot keep it. A goroutine
// that waits for such a file goes on in the background, so f must change nothing that the caller uses
// after an error.
func eachFile(ctx context.Context, task string, n int, f func(i int, buf []byte) []byte) error {
	const chunk = 16
	var next, done atomic.Int64
	var group sync.WaitGroup
	for range min(fileWorkers, (n+chunk-1)/chunk) {
		group.Go(func() {
			var buf []byte
			for {
				end := int(next.Add(chunk))
				for i := end - chunk; i < min(end, n); i++ {
					if ctx.Err() != nil {
						return
					}
					buf = f(i, buf)
					done.Add(1)
				}
				if end >= n {
					return
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() {
		group.Wait()
		close(ended)
	}()
	report := progress.Of(ctx)
	tick := time.NewTicker(progress.Pause)
	defer tick.Stop()
	defer func() { report(task, n, n) }()
	for {
		select {
		case <-ended:
			return context.Cause(ctx)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
			report(task, int(done.Load()), n)
		}
	}
}
