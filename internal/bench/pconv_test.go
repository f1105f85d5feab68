package bench

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"fasternet/kernels"
)

// Checks the counts of the paper's table 1 and §3.
func TestOperatorCounts(t *testing.T) {
	for _, c := range []struct {
		operator Operator
		mflops   []float64 // for ten layers
	}{
		{Conv, []float64{2601.12, 2601.12, 2601.12, 2601.12}},
		{GroupConv, []float64{162.57, 162.57, 162.57, 162.57}},
		{DWConv, []float64{27.10, 13.55, 6.77, 3.39}},
		{PConv, []float64{162.57, 162.57, 162.57, 162.57}},
	} {
		for i, m := range Maps {
			if got := float64(depth*c.operator.MACs(m)) / 1e6; math.Abs(got-c.mflops[i]) > 0.005 {
				t.Errorf("%s at %v: %v M, want %v", c.operator, m, got, c.mflops[i])
			}
		}
	}
	// It is a quarter of Conv's memory only if the map is much larger than the weights.
	for i, want := range []float64{0.227, 0.152, 0.082, 0.065} {
		if got := float64(PConv.Memory(Maps[i])) / float64(Conv.Memory(Maps[i])); math.Abs(got-want) > 0.0005 {
			t.Errorf("memory access of PConv divided by Conv's at %v: %v, want %v", Maps[i], got, want)
		}
	}
	if got, want := DWConv.Memory(Maps[3]), 49*2*768+9*768; got != want {
		t.Errorf("memory access of DWConv: %d, want %d", got, want)
	}
	if got, want := GroupConv.Memory(Maps[3]), 49*2*768+9*768*768/16; got != want {
		t.Errorf("memory access of GroupConv: %d, want %d", got, want)
	}
}

// convolve computes a layer by its definition, on images [side, side, channels].
func convolve(o Operator, m Map, x, w []float64) []float64 {
	out := slices.Clone(x) // channels that are not convolved stay
	in := o.inputs(m)
	for at := range m.Side * m.Side {
		for c := range o.outputs(m) {
			sum := 0.0
			for j := range in {
				for t := range taps {
					y, x0 := at/m.Side+t/3-1, at%m.Side+t%3-1
					if y >= 0 && x0 >= 0 && y < m.Side && x0 < m.Side {
						sum += w[(c*in+j)*taps+t] * x[(y*m.Side+x0)*m.Channels+c/in*in+j]
					}
				}
			}
			out[at*m.Channels+c] = sum
		}
	}
	return out
}

// The timed layers compute the operators.
func TestStack(t *testing.T) {
	const batch = 2
	for _, o := range Operators {
		for threads := 1; threads <= 3; threads++ {
			m := []Map{{32, 7}, {64, 3}}[threads%2] // the second has more weights than values
			t.Run(fmt.Sprintf("%s on %d", o, threads), func(t *testing.T) {
				pool := kernels.NewPool(threads)
				defer pool.Close()
				s := newStack(o, m, batch, pool)
				for range 2 { // twice, from the same input
					s.reset()
					s.run()
				}
				weights := make([]float32, o.weights(m))
				fill(weights, 1/math.Sqrt(float64(taps*o.inputs(m))))
				size := m.Side * m.Side * m.Channels
				for image := range batch {
					x := float64s(s.input[image*size : (image+1)*size])
					for range depth {
						x = convolve(o, m, x, float64s(weights))
					}
					for i, want := range x {
						if got := float64(s.output()[image*size+i]); math.Abs(got-want) > 1e-4*(1+math.Abs(want)) {
							t.Fatalf("image %d, value %d: got %v, want %v", image, i, got, want)
						}
					}
				}
			})
		}
	}
}

func float64s(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

func TestRunOperators(t *testing.T) {
	before := Maps
	defer func() { Maps = before }()
	Maps = []Map{{32, 6}, {64, 3}}
	n := 0
	table, err := RunOperators(t.Context(), OperatorOptions{Iterations: 3, Batch: 2, Threads: 2},
		func(OperatorTiming) { n++ })
	if err != nil || n != 8 || len(table.Rows) != 8 || len(table.Ratios) != 3 || table.Threads != 2 {
		t.Fatalf("%d rows shown, %+v, %v", n, table, err)
	}
	for _, r := range table.Rows {
		if !(r.P10MS <= r.LatencyMS && r.LatencyMS <= r.P90MS) ||
			r.ImgPerS <= 0 ||
			math.Abs(r.LatencyGFLOPS*r.LatencyMS-r.MFLOPs) > 1e-6*r.MFLOPs {
			t.Errorf("got %+v", r)
		}
	}
	if q := table.Ratios[2]; q.Over != DWConv || q.Latency <= 0 || q.Throughput <= 0 {
		t.Errorf("got %+v", q)
	}
	few := OperatorOptions{Operators: []Operator{Conv}, Iterations: 1, Batch: 1}
	table, err = RunOperators(t.Context(), few, nil)
	if err != nil || len(table.Rows) != 2 || table.Ratios != nil {
		t.Errorf("got %+v, %v", table, err)
	}
	for _, o := range []OperatorOptions{
		{},
		{Iterations: 1},
		{Batch: 1},
		{Iterations: 1, Batch: 1, Warmup: -1},
		{Iterations: 1, Batch: 1, Threads: -1},
	} {
		if _, err := RunOperators(t.Context(), o, nil); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := RunOperators(ctx, OperatorOptions{Iterations: 1, Batch: 1}, nil); err == nil {
		t.Error("it cannot be stopped")
	}
}

func TestParseOperators(t *testing.T) {
	if got, err := ParseOperators("pconv, conv"); err != nil || fmt.Sprint(got) != "[pconv conv]" {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := ParseOperators(""); err != nil || len(got) != 4 {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := ParseOperators("conv,sconv"); err == nil {
		t.Error("sconv is accepted")
	}
}

// measure runs as many times as asked for, not counting the warm-up, and does not time the function
// before a run.
func TestMeasure(t *testing.T) {
	var runs, before int
	warm := 0
	times, err := measure(t.Context(), timing{
		step:       func() error { runs++; return nil },
		before:     func() { before++ },
		warm:       func() error { warm = runs; return nil },
		warmup:     3,
		iterations: 7,
	})
	if err != nil || len(times) != 7 || runs != 10 || before != 10 || warm != 3 || !slices.IsSorted(times) {
		t.Errorf("%d times, %d runs, %d before, warm after %d, %v", len(times), runs, before, warm, err)
	}
	if times, err = measure(t.Context(), timing{step: func() error { return nil }}); err != nil || len(times) != least {
		t.Errorf("%d times, %v", len(times), err)
	}
	failing := fmt.Errorf("broken")
	if _, err := measure(t.Context(), timing{step: func() error { return failing }}); err != failing {
		t.Errorf("got %v", err)
	}
	if got := mean([]float64{1, 2, 6}); got != 3 {
		t.Errorf("mean %v", got)
	}
}
