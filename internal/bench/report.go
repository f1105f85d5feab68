package bench

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"fasternet/configs"
	"fasternet/internal/memory"
	"fasternet/kernels"
)

// ReportOptions say how long a report may take.
type ReportOptions struct {
	Threads int // 0 for one per processor
	// Seconds is about the time of all timings of the model. It leaves out those that take much longer
	// than their share.
	Seconds  float64
	Progress func(line string)
	Peak     PeakOptions // Threads is not used
}

// NewReportOptions returns the defaults: about a minute and a half in all.
func NewReportOptions() ReportOptions {
	return ReportOptions{Seconds: 60, Progress: func(string) {}, Peak: NewPeakOptions()}
}

// Report has the figures of a machine, and everything needed to compare them with another machine.
type Report struct {
	Model      string    `json:"model"`
	Time       time.Time `json:"time"` // when it began
	Go         string    `json:"go"`
	Platform   string    `json:"platform"`
	System     string    `json:"system"`
	Processor  string    `json:"processor"`
	Processors int       `json:"processors"` // processors that the process may use
	Threads    int       `json:"threads"`
	// Load is how many processes wanted a processor in the minute before; -1 if unknown.
	Load        float64     `json:"load"`
	Memory      uint64      `json:"memory_bytes"`
	Allowed     uint64      `json:"memory_allowed_bytes,omitempty"` // the limit, if there is a smaller one
	Kernels     string      `json:"kernels"`
	Available   []string    `json:"kernels_available"`
	BF16        string      `json:"bf16"`        // how it is computed, or why it is not available
	Environment []string    `json:"environment"` // variables that change the measurements
	Peak        PeakTable   `json:"peak"`
	Timings     []ReportRow `json:"timings"`
	Seconds     float64     `json:"seconds"` // how long the report took
	PeakRSSMiB  float64     `json:"peak_rss_mib"`
}

// ReportRow is a timing of the model, or the reason why there is none.
type ReportRow struct {
	Mode      string  `json:"mode"` // train or infer
	Batch     int     `json:"batch"`
	Threads   int     `json:"threads"`
	Precision string  `json:"precision"`
	Again     bool    `json:"again,omitempty"` // repeats the first row, at the end
	Result    *Result `json:"result,omitempty"`
	Missing   string  `json:"missing,omitempty"`
}

// String describes the timing in words.
func (r ReportRow) String() string {
	mode := map[string]string{"train": "training", "infer": "inference"}[r.Mode]
	s := fmt.Sprintf("%s, batch %d, %d threads, %s", mode, r.Batch, r.Threads, r.Precision)
	if r.Threads == 1 {
		s = strings.Replace(s, "threads", "thread", 1)
	}
	if r.Again {
		s += ", again"
	}
	return s
}

// environment lists the variables that change the measurements.
var environment = []string{
	kernels.EnvVariable, kernels.BF16Variable, "GOMAXPROCS", "GOMEMLIMIT", "GOGC", "GODEBUG",
}

// RunReport measures the processor, and times training and inference of a model at some batch
// sizes.
func RunReport(ctx context.Context, name string, c *configs.Config, o ReportOptions) (Report, error) {
	begin := time.Now()
	r := describeMachine(name, o.Threads)
	rows := reportRows(r.Threads)
	o.Progress(fmt.Sprintf("1 of %d: peak of the processor and of the memory", len(rows)+1))
	o.Peak.Threads = r.Threads
	var err error
	if r.Peak, err = RunPeak(ctx, o.Peak); err != nil {
		return r, err
	}
	share := o.Seconds / float64(len(rows))
	var perImage float64 // milliseconds of the forward pass on one thread
	for i, row := range rows {
		o.Progress(fmt.Sprintf("%d of %d: %s", i+2, len(rows)+1, row))
		row.time(ctx, name, c, share, perImage)
		if err := ctx.Err(); err != nil {
			return r, err
		}
		if i == 0 && row.Result == nil {
			return r, fmt.Errorf("bench report: %s: %s", row, row.Missing)
		}
		if i == 0 {
			perImage = row.Result.MedianMS
		}
		r.Timings = append(r.Timings, row)
	}
	r.Seconds, r.PeakRSSMiB = time.Since(begin).Seconds(), PeakRSS()/(1<<20)
	return r, nil
}

// describeMachine fills in everything that needs no measurement.
func describeMachine(name string, threads int) Report {
	k := kernels.Default()
	r := Report{
		Model:      name,
		Time:       time.Now().UTC().Truncate(time.Second),
		Go:         runtime.Version(),
		Platform:   runtime.GOOS + "/" + runtime.GOARCH,
		System:     system(),
		Processor:  kernels.CPU(),
		Processors: runtime.NumCPU(),
		Threads:    cmp.Or(threads, runtime.GOMAXPROCS(0)),
		Load:       loadAverage(),
		Memory:     memory.Machine(),
		Kernels:    string(k.Variant()), BF16: cmp.Or(string(k.BF16()), "none"),
	}
	if n, _ := memory.Allowed(); n < r.Memory {
		r.Allowed = n
	}
	for _, v := range kernels.Available() {
		r.Available = append(r.Available, string(v))
	}
	if why := k.BF16Refusals(); len(why) > 0 {
		r.BF16 += " (" + strings.Join(why, "; ") + ")"
	}
	for _, v := range environment {
		if value, ok := os.LookupEnv(v); ok {
			r.Environment = append(r.Environment, v+"="+value)
		}
	}
	return r
}

// reportRows returns the timings, the shortest first.
func reportRows(threads int) []ReportRow {
	type timed struct {
		mode           string
		batch, threads int
	}
	precisions := []string{kernels.FP32.String()}
	if kernels.Default().BF16() != "" {
		precisions = append(precisions, kernels.BF16.String())
	}
	var rows []ReportRow
	for _, in := range precisions {
		all := []timed{
			{"infer", 1, 1},
			{"infer", 1, threads},
			{"infer", 32, threads},
			{"train", 8, 1},
			{"train", 8, threads},
			{"train", 32, threads},
		}
		for i, w := range all {
			if !slices.Contains(all[:i], w) { // with one thread, some are equal
				rows = append(rows, ReportRow{Mode: w.mode, Batch: w.batch, Threads: w.threads, Precision: in})
			}
		}
	}
	last := rows[0]
	last.Again = true
	return append(rows, last)
}

// time times a row for some seconds. perImage is the time of a forward pass on one thread in
// milliseconds, 0 if unknown. A row that would take much longer than its share, and more than two
// seconds, is left out.
func (r *ReportRow) time(ctx context.Context, name string, c *configs.Config, seconds, perImage float64) {
	const warmup, runs = 1, 3
	passes := 1.0
	if r.Mode == "train" {
		passes = 3.5
	}
	takes := (warmup + runs) * passes * perImage * float64(r.Batch) / float64(r.Threads) / 1000
	if takes > max(2*seconds, 2) {
		r.Missing = fmt.Sprintf("left out, it would take about %.0f s", takes)
		return
	}
	result, err := Run(ctx, name, c, Options{
		Train:     r.Mode == "train",
		Batch:     r.Batch,
		Threads:   r.Threads,
		Precision: r.Precision,
		Warmup:    warmup,
		Seconds:   seconds,
		Least:     runs,
	})
	if err != nil {
		r.Missing = err.Error()
		return
	}
	r.Result = &result
}
