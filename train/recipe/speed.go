package recipe

import (
	"context"
	"errors"
	"io"
	"runtime/debug"
	"slices"
	"time"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/internal/memory"
	"fasternet/kernels"
	"fasternet/train"
)

// measureSpeed times training steps on images of the data set, with decoding and augmentation, and returns images per
// second. It takes about the given time.
func measureSpeed(ctx context.Context, c *configs.Config, ds data.Dataset, most time.Duration) (float64, error) {
	debug.FreeOSMemory() // of what was timed before
	pool := kernels.NewPool(c.Threads)
	defer pool.Close()
	steps, err := train.NewSteps(c, ds, pool)
	if err != nil {
		return 0, err
	}
	loader, err := steps.Loader(ds)
	if err != nil {
		return 0, err
	}
	const warm, least = 2, 3
	var times []float64
	began := time.Now()
	for epoch := 0; ; epoch++ {
		it := loader.Epoch(ctx, epoch, 0)
		for {
			begin := time.Now()
			b, err := it.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err == nil {
				_, err = steps.Step(b, 1e-6)
			}
			if err != nil {
				it.Close()
				return 0, err
			}
			times = append(times, time.Since(begin).Seconds())
			if len(times) >= warm+least && time.Since(began) >= most {
				it.Close()
				// A run needs up to twice as much as its first steps: averaged weights, the models of evaluations
				// and the export, the report, and garbage.
				if err := memory.CheckDouble("evaluations, report and export"); err != nil {
					return 0, err
				}
				times = times[warm:]
				slices.Sort(times)
				return float64(c.Train.BatchSize) / max(times[len(times)/2], 1e-6), nil
			}
		}
		it.Close()
	}
}
