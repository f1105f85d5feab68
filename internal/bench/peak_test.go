package bench_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"fasternet/internal/bench"
)

func TestPeak(t *testing.T) {
	o := bench.PeakOptions{Threads: 2, Rounds: 3, Each: 100 * time.Microsecond, Memory: 1 << 20}
	table, err := bench.RunPeak(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if table.Threads != 2 || table.Rounds != 3 || table.ArrayMiB != 1 || table.Kernels == "" || table.Processor == "" {
		t.Errorf("got %+v", table)
	}
	measured := map[string]string{}
	for _, r := range append(table.Products, table.Memory...) {
		name := r.Format + " " + r.Path
		if r.Missing != "" {
			if r.One.Best != 0 || r.All.Best != 0 {
				t.Errorf("%s: missing, and %+v", name, r)
			}
			continue
		}
		measured[r.Format] = r.Unit
		for _, x := range []bench.PeakRate{r.One, r.All} {
			if !(x.Median > 0 && x.Median <= x.Best) {
				t.Errorf("%s: got %+v", name, x)
			}
		}
	}
	for format, unit := range map[string]string{"fp32": "GFLOPS", "read": "GB/s", "copy": "GB/s", "triad": "GB/s"} {
		if measured[format] != unit {
			t.Errorf("%s in %q, want %s", format, measured[format], unit)
		}
	}
}

func TestBadPeak(t *testing.T) {
	good := bench.NewPeakOptions()
	for _, c := range []struct {
		name   string
		change func(*bench.PeakOptions)
		want   string
	}{
		{"rounds", func(o *bench.PeakOptions) { o.Rounds = 0 }, "rounds"},
		{"time", func(o *bench.PeakOptions) { o.Each = 0 }, "time"},
		{"threads", func(o *bench.PeakOptions) { o.Threads = -1 }, "threads"},
		{"memory", func(o *bench.PeakOptions) { o.Memory = -1 }, "memory"},
		{"too much memory", func(o *bench.PeakOptions) { o.Memory = 1 << 50 }, "not enough memory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := good
			c.change(&o)
			if _, err := bench.RunPeak(t.Context(), o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	short := bench.PeakOptions{Rounds: 1, Each: time.Millisecond, Memory: 1 << 20}
	if _, err := bench.RunPeak(ctx, short); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
