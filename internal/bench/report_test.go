package bench

import (
	"context"
	"strings"
	"testing"
	"time"

	"fasternet/kernels"
)

// A report describes the machine and has a timing of each row, or the reason why there is none.
func TestReport(t *testing.T) {
	var said []string
	r, err := RunReport(context.Background(), "quickstart", load(t, "quickstart"), ReportOptions{
		Threads:  2,
		Seconds:  3,
		Progress: func(line string) { said = append(said, line) },
		Peak:     PeakOptions{Rounds: 1, Each: time.Millisecond, Memory: 1 << 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Processor != kernels.CPU() ||
		r.System == "" ||
		r.Threads != 2 ||
		r.Go == "" ||
		!strings.Contains(r.Platform, "/") ||
		r.Kernels == "" ||
		len(r.Available) == 0 ||
		r.BF16 == "" ||
		r.Memory == 0 ||
		r.Seconds <= 0 {
		t.Errorf("the machine: %+v", r)
	}
	if len(r.Peak.Products) == 0 || len(r.Peak.Memory) != 3 {
		t.Errorf("peak: %+v", r.Peak)
	}
	if len(r.Timings) < 7 || len(said) != len(r.Timings)+1 {
		t.Errorf("%d timings, and %d lines of progress", len(r.Timings), len(said))
	}
	for i, row := range r.Timings {
		if (row.Result == nil) == (row.Missing == "") {
			t.Errorf("%s: %+v", row, row)
		}
		v := row.Result
		if v != nil &&
			(v.ImgPerS <= 0 ||
				v.Runs < 3 ||
				v.Batch != row.Batch ||
				v.Threads != row.Threads ||
				v.Precision != row.Precision ||
				v.Mode != row.Mode) {
			t.Errorf("%s: %+v", row, v)
		}
		if row.Again != (i == len(r.Timings)-1) {
			t.Errorf("%s is the last: %t", row, row.Again)
		}
	}
}

// A row that takes much longer than its share is left out, and says how long it would take.
func TestReportLeavesOut(t *testing.T) {
	row := ReportRow{Mode: "train", Batch: 32, Threads: 4, Precision: "fp32"}
	row.time(context.Background(), "quickstart", load(t, "quickstart"), 5, 400)
	if row.Result != nil || row.Missing != "left out, it would take about 45 s" {
		t.Errorf("%+v", row)
	}
	if got, want := row.String(), "training, batch 32, 4 threads, fp32"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReportRows(t *testing.T) {
	for _, threads := range []int{1, 4} {
		seen := map[string]bool{}
		for _, r := range reportRows(threads) {
			if seen[r.String()] {
				t.Errorf("%d threads: %s comes twice", threads, r)
			}
			seen[r.String()] = true
		}
	}
}
