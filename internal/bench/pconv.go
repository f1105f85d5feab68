package bench

import (
	"context"
	"fmt"

	"fasternet/kernels"
)

// OperatorOptions say how to time the operators of the paper's table 1.
type OperatorOptions struct {
	Operators  []Operator // nil for all
	Warmup     int        // runs that are not timed
	Iterations int        // runs of batch 1 on one thread; the throughput takes a tenth of it, at least five
	Batch      int        // for the throughput
	Threads    int        // for the throughput; 0 for one per processor
}

// OperatorTable is the paper's table 1 on this machine.
type OperatorTable struct {
	Kernels   string           `json:"kernels"`
	Processor string           `json:"processor"`
	Layers    int              `json:"layers"` // number of stacked layers
	Batch     int              `json:"batch"`
	Threads   int              `json:"threads"`
	Rows      []OperatorTiming `json:"rows"`
	// Ratios divide the mean FLOPS of PConv by the mean FLOPS of another operator, for latency and
	// throughput.
	Ratios []OperatorRatio `json:"ratios"`
}

// OperatorTiming is a row of the table. FLOPs are multiply-adds, counted once, as in the paper;
// memory is counted in values.
type OperatorTiming struct {
	Operator Operator `json:"operator"`
	Map
	MFLOPs        float64 `json:"mflops"`         // all layers, for one image
	MValues       float64 `json:"memory_mvalues"` // read and written by all layers, for one image
	LatencyMS     float64 `json:"latency_ms"`     // median, batch 1, one thread
	P10MS         float64 `json:"p10_ms"`         //
	P90MS         float64 `json:"p90_ms"`         //
	LatencyGFLOPS float64 `json:"latency_gflops"` //
	ImgPerS       float64 `json:"img_per_s"`      // at the median
	GFLOPS        float64 `json:"throughput_gflops"`
}

// OperatorRatio compares mean FLOPS.
type OperatorRatio struct {
	Over       Operator `json:"pconv_over"`
	Latency    float64  `json:"latency_flops"`
	Throughput float64  `json:"throughput_flops"`
}

// RunOperators times ten stacked layers of each operator at each map size. It calls row, unless
// it is nil, with each row as soon as it is measured.
func RunOperators(ctx context.Context, o OperatorOptions, row func(OperatorTiming)) (OperatorTable, error) {
	if o.Batch < 1 || o.Iterations < 1 || o.Warmup < 0 || o.Threads < 0 {
		return OperatorTable{}, fmt.Errorf("bench: want a batch and iterations of 1 or more, "+
			"and no negative warm-up or threads; got %+v", o)
	}
	if o.Operators == nil {
		o.Operators = Operators
	}
	one, all := kernels.NewPool(1), kernels.NewPool(o.Threads)
	defer one.Close()
	defer all.Close()
	t := OperatorTable{
		Kernels:   string(all.Kernels().Variant()),
		Processor: kernels.CPU(),
		Layers:    depth,
		Batch:     o.Batch,
		Threads:   all.Workers(),
	}
	for _, op := range o.Operators {
		for _, m := range Maps {
			r, err := timeOperator(ctx, op, m, o, one, all)
			if err != nil {
				return OperatorTable{}, err
			}
			t.Rows = append(t.Rows, r)
			if row != nil {
				row(r)
			}
		}
	}
	t.Ratios = ratios(t.Rows)
	return t, nil
}

func timeOperator(
	ctx context.Context, op Operator, m Map, o OperatorOptions, one, all *kernels.Pool,
) (OperatorTiming, error) {
	r := OperatorTiming{
		Operator: op,
		Map:      m,
		MFLOPs:   float64(depth*op.MACs(m)) / 1e6,
		MValues:  float64(depth*op.Memory(m)) / 1e6,
	}
	times, err := newStack(op, m, 1, one).time(ctx, o.Warmup, o.Iterations)
	if err != nil {
		return r, err
	}
	r.LatencyMS, r.P10MS, r.P90MS = quantile(times, 0.5), quantile(times, 0.1), quantile(times, 0.9)
	r.LatencyGFLOPS = r.MFLOPs / r.LatencyMS
	if times, err = newStack(op, m, o.Batch, all).time(ctx, min(o.Warmup, 2), max(o.Iterations/10, least)); err != nil {
		return r, err
	}
	r.ImgPerS = 1000 * float64(o.Batch) / quantile(times, 0.5)
	r.GFLOPS = r.MFLOPs * r.ImgPerS / 1000
	return r, nil
}

func (s *stack) time(ctx context.Context, warmup, iterations int) ([]float64, error) {
	step := func() error { s.run(); return nil }
	return measure(ctx, timing{step: step, before: s.reset, warmup: warmup, iterations: iterations})
}

func ratios(rows []OperatorTiming) []OperatorRatio {
	var out []OperatorRatio
	p, ok := MeanFLOPS(rows, PConv)
	if !ok {
		return nil
	}
	for _, o := range Operators {
		if q, ok := MeanFLOPS(rows, o); ok && o != PConv {
			out = append(out, OperatorRatio{o, p.LatencyGFLOPS / q.LatencyGFLOPS, p.GFLOPS / q.GFLOPS})
		}
	}
	return out
}

// MeanFLOPS averages the FLOPS of an operator over the map sizes, like the paper's table. It
// returns false if there is no such row.
func MeanFLOPS(rows []OperatorTiming, o Operator) (OperatorTiming, bool) {
	mean, n := OperatorTiming{Operator: o}, 0.0
	for _, r := range rows {
		if r.Operator == o {
			mean.LatencyGFLOPS += r.LatencyGFLOPS
			mean.GFLOPS += r.GFLOPS
			n++
		}
	}
	if n == 0 {
		return mean, false
	}
	mean.LatencyGFLOPS /= n
	mean.GFLOPS /= n
	return mean, true
}
