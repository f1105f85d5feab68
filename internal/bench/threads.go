package bench

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"fasternet/configs"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/ops"
)

// ThreadOptions say for how many threads to time a model, and for how many to predict its time.
// Threads, Iterations and Profile of Options are not used.
type ThreadOptions struct {
	Options
	Measure   []int   // at most as many as there are processors; nil for 1, 2, 4, … and all of them
	Predict   []int   // the numbers of Measure are predicted too
	Bandwidth float64 // of the memory of a machine with more threads than this one, GB/s; 0 if unknown
}

// ThreadTable says how the time of a run depends on the number of threads.
type ThreadTable struct {
	Model      string      `json:"model"`
	Mode       string      `json:"mode"`
	Processor  string      `json:"processor"`
	Processors int         `json:"processors"`
	Kernels    string      `json:"kernels"`
	Precision  string      `json:"precision"`
	BF16Path   string      `json:"bf16_path,omitempty"`
	Batch      int         `json:"batch"`
	Size       int         `json:"size"`
	Runs       int         `json:"runs"` // the least number of runs on one thread for a prediction
	Rows       []ThreadRow `json:"threads"`
	// Lost lists the losses of the largest number of threads, the largest first.
	Lost []ThreadLoss `json:"lost"`
	// BarrierUS is the cost of a parallel region with 1, 2, … threads, up to the number of processors.
	BarrierUS  []float64 `json:"barrier_us"`
	MemoryGBps []float64 `json:"memory_gb_per_s"` // of one thread, and of all; empty if it was not measured
	CacheMiB   float64   `json:"last_cache_mib"`
	// GivenGBps is the given bandwidth for more threads than processors.
	GivenGBps float64 `json:"given_gb_per_s,omitempty"`
}

// ThreadRow is the time of a run with a number of threads. The losses add up to the difference
// between PredictedMS and the time of one thread divided by the number of threads.
type ThreadRow struct {
	Threads     int     `json:"threads"`
	MeasuredMS  float64 `json:"measured_ms,omitempty"` // the median; 0 if it was not measured
	PredictedMS float64 `json:"predicted_ms"`
	SpeedUp     float64 `json:"speed_up"`   // predicted, over one thread
	Efficiency  float64 `json:"efficiency"` // speed-up over threads
	ImgPerS     float64 `json:"img_per_s"`  // predicted

	FewMS     float64 `json:"few_ms"`     // regions with fewer tasks than threads
	UnevenMS  float64 `json:"uneven_ms"`  // tasks that do not divide evenly among the threads
	SerialMS  float64 `json:"serial_ms"`  // code outside of regions, which one thread runs
	BarrierMS float64 `json:"barrier_ms"` // beginning and ending regions
	MemoryMS  float64 `json:"memory_ms"`  // waiting for memory, if its bandwidth is known
	SmallMS   float64 `json:"small_ms"`   // extra time on one thread because the work is cut for this many
	Limit     string  `json:"limit"`      // the largest of these; "" if all are 0

	Regions   int     `json:"regions"`        // parallel regions with more than one task, in a run
	Tasks     int     `json:"tasks"`          // tasks of all regions
	MemoryMiB float64 `json:"memory_mib"`     // least memory that a run moves to and from the last cache
	NeedsGBps float64 `json:"needs_gb_per_s"` // the bandwidth for that
}

// ThreadLoss is the loss of a region, or of the code outside of the regions of an operation. It adds
// up all operations of the same kind whose regions have as many tasks.
type ThreadLoss struct {
	Op        string   `json:"op"`
	Pass      ops.Pass `json:"pass"`
	Name      string   `json:"name"`       // of the first operation
	Ops       int      `json:"ops"`        // how many operations
	Region    int      `json:"region"`     // number within the operation, from 1; 0 for the code outside
	Of        int      `json:"of"`         // number of regions of the operation
	Tasks     int      `json:"tasks"`      // tasks of one operation
	WorkMS    float64  `json:"work_ms"`    // work of all operations, on one thread
	LongestMS float64  `json:"longest_ms"` // the longest task, the largest over the operations
	TakesMS   float64  `json:"takes_ms"`   // predicted time of all operations together
	LostMS    float64  `json:"lost_ms"`    // TakesMS less an even share of the work
}

// NewThreadOptions returns the defaults.
func NewThreadOptions() ThreadOptions { return ThreadOptions{Predict: []int{8, 16, 64}} }

// MostThreads is the largest number of threads that can be predicted.
const MostThreads = 1024

// RunThreads times a model with up to as many threads as the machine has processors, and predicts the
// time for other numbers: on one thread it runs the work that is cut for this many, times every task,
// and schedules the tasks as the pool would.
func RunThreads(ctx context.Context, name string, c *configs.Config, o ThreadOptions) (ThreadTable, error) {
	c, err := o.prepare(c)
	if err != nil {
		return ThreadTable{}, err
	}
	procs := runtime.GOMAXPROCS(0)
	if err := o.checkThreads(procs); err != nil {
		return ThreadTable{}, err
	}
	if c.Classifies() && o.Model == nil { // once for all rows
		if o.Model, err = model.New(c, max(c.Model.NumClasses, 10)); err != nil {
			return ThreadTable{}, err
		}
	}
	t := ThreadTable{
		Model:      name,
		Mode:       o.mode(),
		Processor:  kernels.CPU(),
		Processors: procs,
		Kernels:    string(kernels.Default().Variant()),
		Batch:      o.Batch,
		Size:       o.Size,
		GivenGBps:  o.Bandwidth,
	}
	measured := map[int]float64{}
	for _, n := range o.Measure {
		if measured[n], err = o.timeThreads(ctx, c, n, &t); err != nil {
			return ThreadTable{}, err
		}
	}
	var rehearsals rehearsals
	all := append(slices.Clone(o.Measure), o.Predict...)
	slices.Sort(all)
	all = slices.Compact(append([]int{1}, all...))
	for _, n := range all {
		if err := rehearsals.add(ctx, o.Options, c, n); err != nil {
			return ThreadTable{}, err
		}
	}
	if t.BarrierUS, err = barriers(ctx, procs); err != nil {
		return ThreadTable{}, err
	}
	if t.MemoryGBps, err = bandwidth(ctx, procs); err != nil {
		return ThreadTable{}, err
	}
	m := threadModel{table: &t, bandwidth: o.Bandwidth}
	rehearsals.predict(&t, &m, all, measured)
	return t, nil
}

// ThreadsError says that a number of threads or a bandwidth is not possible; Flag is the flag of
// the command.
type ThreadsError struct{ Flag, Text string }

func (e *ThreadsError) Error() string { return e.Text }

// checkThreads checks the numbers, and fills in the numbers to measure.
func (o *ThreadOptions) checkThreads(procs int) error {
	if len(o.Measure) == 0 {
		for n := 1; n < procs; n *= 2 {
			o.Measure = append(o.Measure, n)
		}
		o.Measure = append(o.Measure, procs)
	}
	for _, n := range o.Measure {
		if n < 1 || n > procs {
			text := fmt.Sprintf("%d cannot be timed: want 1 to %d, the number of processors; "+
				"--predict takes other numbers",
				n, procs)
			return &ThreadsError{"threads", text}
		}
	}
	for _, n := range o.Predict {
		if n < 1 || n > MostThreads {
			return &ThreadsError{"predict", fmt.Sprintf("want 1 to %d threads, got %d", MostThreads, n)}
		}
	}
	if !(o.Bandwidth >= 0) {
		return &ThreadsError{"bandwidth", fmt.Sprintf("want 0 or more GB/s, got %v", o.Bandwidth)}
	}
	return nil
}

// timeThreads returns the median time of a run on a number of threads, in milliseconds.
func (o *ThreadOptions) timeThreads(ctx context.Context, c *configs.Config, n int, t *ThreadTable) (float64, error) {
	pool := kernels.Default().NewPool(n)
	defer pool.Close()
	s, err := o.subject(c, pool)
	if err != nil {
		return 0, err
	}
	t.Precision = s.precision.String()
	if s.precision == kernels.BF16 {
		t.BF16Path = string(pool.Kernels().BF16())
	}
	times, err := measure(ctx, timing{step: s.step, warmup: o.Warmup, seconds: o.share()})
	if err != nil {
		return 0, err
	}
	return quantile(times, 0.5), nil
}

// share returns how long to time each number of threads.
func (o *ThreadOptions) share() float64 { return o.Seconds / float64(max(len(o.Measure), 1)) }

// barriers returns the costs of a parallel region with 1, 2, … threads, in microseconds: its time
// beyond the time of its tasks, one per thread, which wait for some time to pass.
func barriers(ctx context.Context, most int) ([]float64, error) {
	const rounds, each = 1000, 20 * time.Microsecond
	var out []float64
	for n := 1; n <= most; n++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		pool := kernels.NewPool(n)
		times := make([]float64, rounds)
		wait := func(_, _ int) {
			for begin := time.Now(); time.Since(begin) < each; {
			}
		}
		for i := range times {
			begin := time.Now()
			pool.Run(n, wait)
			times[i] = float64(time.Since(begin)-each) / float64(time.Microsecond)
		}
		pool.Close()
		slices.Sort(times)
		us := max(quantile(times, 0.5), 0)
		if n == 1 {
			us = 0 // the caller runs the task itself; the rest is the clock
		}
		out = append(out, us)
	}
	return out, nil
}

// bandwidth measures copying between arrays in memory, with one thread and with all, in GB/s; nil
// if there is no room for the arrays.
func bandwidth(ctx context.Context, threads int) ([]float64, error) {
	one, all := kernels.NewPool(1), kernels.NewPool(threads)
	defer one.Close()
	defer all.Close()
	p := PeakOptions{Rounds: 7, Each: 4 * time.Millisecond}
	rows, err := memoryRows(&p, all)
	if err != nil {
		return nil, nil // no room: the table says that it is unknown
	}
	var m peakMeasure
	rates := make([]PeakRate, 2)
	for _, r := range rows {
		if r.Format != "copy" {
			continue
		}
		m.add(&rates[0], one, r.one)
		m.add(&rates[1], all, nil)
		m.last().task = r.all
	}
	for _, p := range m {
		p.slices = 1
	}
	if err := m.run(ctx, p); err != nil {
		return nil, err
	}
	return []float64{rates[0].Best, rates[1].Best}, nil
}
