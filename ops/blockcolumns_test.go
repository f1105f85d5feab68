package ops

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"fasternet/kernels"
)

// Few lines are divided so that all workers get about as many.
func TestEven(t *testing.T) {
	for _, c := range []struct {
		shape         mapShape
		rows, workers int
		spans         int
		load          float64
	}{
		{mapShape{1, 14, 14, 8}, 28, 2, 8, 1},
		{mapShape{1, 14, 14, 8}, 28, 7, 7, 1},
		{mapShape{1, 14, 14, 8}, 98, 1, 2, 1},
		{mapShape{1, 7, 7, 8}, 28, 2, 2, 8.0 / 7},
		{mapShape{1, 7, 7, 8}, 28, 7, 7, 1},
		{mapShape{32, 7, 7, 8}, 28, 2, 64, 1},
		{mapShape{1, 1, 1, 8}, 28, 4, 1, 4},
	} {
		t.Run(fmt.Sprint(c.shape, c.workers), func(t *testing.T) {
			spans, load := c.shape.even(c.rows, c.workers)
			if len(spans) != c.spans || load < c.load-1e-9 || load > c.load+1e-9 {
				t.Errorf("%d spans with load %v, want %d with %v", len(spans), load, c.spans, c.load)
			}
			next := 0
			for _, b := range spans {
				if c.shape.from(b) != next {
					t.Fatalf("a span begins at row %d, want %d", c.shape.from(b), next)
				}
				next = c.shape.to(b)
			}
			if next != c.shape.rows() {
				t.Errorf("%d of %d rows", next, c.shape.rows())
			}
		})
	}
}

// A block is divided by columns only if the workers then get more even parts.
func TestBlockGrids(t *testing.T) {
	for _, c := range []struct {
		name    string
		shape   mapShape
		hidden  int
		workers int
		want    bool
	}{
		{"last stage of S", mapShape{1, 7, 7, 1024}, 2048, 2, true},
		{"last stage of L, many workers", mapShape{1, 7, 7, 1536}, 3072, 16, true},
		{"lines are even", mapShape{1, 14, 14, 512}, 1024, 2, false},
		{"one worker", mapShape{1, 7, 7, 1024}, 2048, 1, false},
		{"fewer panels than workers", mapShape{1, 56, 56, 128}, 256, 64, false},
		{"more workers than panels", mapShape{1, 14, 14, 384}, 768, 64, true},
		{"little work, many workers", mapShape{1, 14, 14, 160}, 320, 64, false},
		{"a large map", mapShape{1, 57, 57, 1024}, 2048, 16, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, load := c.shape.even(blockRows(c.shape.rows(), c.shape.channels+c.hidden), c.workers)
			if _, _, got := blockGrids(c.shape, c.hidden, 32, c.workers, load, floatSpeed); got != c.want {
				t.Errorf("%v, want %v; the lines have a load of %.3f", got, c.want, load)
			}
		})
	}
}

// Ranges of columns are whole panels.
func TestPanelRanges(t *testing.T) {
	for _, k := range kernels.Available() {
		set, err := kernels.New(k, "")
		if err != nil {
			t.Fatal(err)
		}
		panel := set.PanelWidth()
		for _, columns := range []int{
			1, panel / 2, panel, panel + 1, 3 * panel / 2, 2*panel + panel/2 + 1, 5*panel - 3,
		} {
			for workers := 1; workers < 7; workers++ {
				packed, next := set.NewPacked(1, columns, kernels.FP32), 0
				a := kernels.NewMatrix([]float32{1}, 1, 1)
				out := kernels.NewMatrix(make([]float32, columns), 1, columns)
				for _, r := range panelRanges(columns, panel, workers) {
					if r[0] != next || r[1] <= r[0] {
						t.Fatalf("%d columns, %d workers: a range %v after column %d", columns, workers, r, next)
					}
					next = r[1]
					// panics otherwise
					set.GemmBlock(out.Columns(r[0], r[1]), 1, a, packed, 0, r[0], kernels.Matrix{})
				}
				if next != columns {
					t.Fatalf("%d of %d columns", next, columns)
				}
			}
		}
	}
}

// A block that is divided by columns gives the same bits as one that is divided by lines.
func TestBlockColumns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                   string
		in                     kernels.Precision
		scale, folded          bool
		channels, hidden, side int
	}{
		{"fp32", kernels.FP32, false, false, 136, 264, 7},
		{"folded", kernels.FP32, false, true, 200, 332, 7},
		{"layer scale", kernels.FP32, true, false, 132, 270, 5},
		{"one line", kernels.FP32, false, true, 640, 1280, 1},
		{"bf16", kernels.BF16, false, true, 128, 256, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, k := range setsOf(t, c.in) {
				want, columns := inferBlock(t, k, 1, c.in, c.scale, c.folded, c.channels, c.hidden, c.side)
				if columns {
					t.Error("one worker divides by columns")
				}
				for _, workers := range []int{2, 3, 8, 32} {
					got, columns := inferBlock(t, k, workers, c.in, c.scale, c.folded, c.channels, c.hidden, c.side)
					if !columns && workers == 2 { // with more workers there may be too few panels
						t.Errorf("%s, %d workers: the block is not divided by columns", k.Variant(), workers)
					}
					if !slices.Equal(got, want) {
						t.Errorf("%s, %d workers: different bits than with one", k.Variant(), workers)
					}
				}
			}
		})
	}
}

// setsOf returns the kernels to test in a precision: of all variants, or of all paths of bf16.
func setsOf(t *testing.T, in kernels.Precision) (sets []*kernels.Set) {
	t.Helper()
	add := func(v kernels.Variant, p kernels.BF16Path) {
		k, err := kernels.New(v, p)
		if err != nil {
			t.Fatal(err)
		}
		sets = append(sets, k)
	}
	if in == kernels.BF16 {
		for _, p := range kernels.AvailableBF16(kernels.Default().Variant()) {
			add(kernels.Default().Variant(), p)
		}
		return sets
	}
	for _, v := range kernels.Available() {
		add(v, "")
	}
	return sets
}

// inferBlock returns the result of a block for evaluation, and whether it was divided by columns.
func inferBlock(
	t *testing.T,
	k *kernels.Set,
	workers int,
	in kernels.Precision,
	scale, folded bool,
	channels, hidden, side int,
) ([]float32, bool) {
	t.Helper()
	h, r := newHarnessOn(t, k, workers, false), rand.New(rand.NewPCG(1, 2))
	h.tape.Precision = in
	x := h.input("x", r, 1, side, side, channels)
	partial := channels / 4
	b := Block{
		Name:  "block",
		PConv: h.param("pconv", r, 0.3, partial, partial, 3, 3),
		Conv1: h.param("conv1", r, 0.3, hidden, channels, 1, 1),
		Act:   kernels.GELU,
		Conv2: h.param("conv2", r, 0.3, channels, hidden, 1, 1),
	}
	if folded {
		b.Bias = h.param("bias", r, 0.3, hidden)
	} else {
		b.Norm = h.norm("norm", r, hidden)
	}
	if scale {
		b.LayerScale = h.param("layer_scale", r, 1, channels)
	}
	y, err := FasterNetBlock(h.tape, x, b)
	if err != nil {
		t.Fatal(err)
	}
	h.tape.Keep(y)
	if err := h.tape.Plan(); err != nil {
		t.Fatal(err)
	}
	if err := h.tape.Run(h.tape.NewMachine()); err != nil {
		t.Fatal(err)
	}
	return slices.Clone(h.tape.Value(y)), y.Op().(*op).Name == "block" && len(y.Op().(*op).Uses) == 2
}
