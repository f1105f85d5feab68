package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"fasternet/kernels"
)

// blockGradients returns the gradients of a block whose weights are large, or count as large if
// rowsWeight is 0, in that precision, with some images left out.
func blockGradients(t *testing.T, k *kernels.Set, in kernels.Precision, workers, rowsWeight int) *harness {
	h := newHarnessOn(t, k, workers, true)
	h.tape.Precision, h.tape.rowsWeight = in, rowsWeight
	h.block(rand.New(rand.NewPCG(1, 2)), 6, 3, 5, 70, 17, 150, kernels.GELU, true, true)
	h.run()
	return h
}

// Both ways to divide the gradients of the weights give the same, except for the order of sums.
func TestBlockByOutputs(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, k *kernels.Set, in kernels.Precision, tolerance float64) {
		rows, outputs := blockGradients(t, k, in, 2, math.MaxInt), blockGradients(t, k, in, 2, 0)
		for i, p := range outputs.params {
			near(t, "the gradient of "+p.Name, p.GradData(), rows.params[i].GradData(), tolerance)
		}
		same(t, "the gradient of x", outputs.tape.Value(outputs.grads["x"]), rows.tape.Value(rows.grads["x"]))
	}
	everyVariant(t, func(t *testing.T, k *kernels.Set) { check(t, k, kernels.FP32, 1e-5) })
	for _, v := range kernels.Available() {
		for _, p := range append(kernels.AvailableBF16(v), kernels.BF16Go) {
			t.Run(fmt.Sprintf("bf16/%s/%s", v, p), func(t *testing.T) {
				k, err := kernels.New(v, p)
				if err != nil {
					t.Skip(err)
				}
				check(t, k, kernels.BF16, 1e-2)
			})
		}
	}
}

// near compares relative to the largest value.
func near(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	top := float64(max(slices.Max(want), -slices.Min(want)))
	for i, v := range got {
		if !(math.Abs(float64(v-want[i])) <= tolerance*top) {
			t.Errorf("%s: value %d is %v, want %v (largest %v)", what, i, v, want[i], top)
			return
		}
	}
}

// The number of threads changes no bit.
func TestBlockByOutputsThreads(t *testing.T) {
	t.Parallel()
	want := blockGradients(t, kernels.Default(), kernels.FP32, 1, 0)
	for _, workers := range []int{2, 3, 7} {
		got := blockGradients(t, kernels.Default(), kernels.FP32, workers, 0)
		for i, p := range got.params {
			same(
				t, fmt.Sprintf("%d workers: the gradient of %s", workers, p.Name), p.GradData(),
				want.params[i].GradData(),
			)
		}
	}
}

// The tasks of a layer cover its outputs once. Its chunks cover the rows of the images that count once.
func TestLayerGradCovers(t *testing.T) {
	for _, n := range []int{1, 13, 14, 15, 64, 192, 512, 1000, 3072} {
		for _, tile := range []int{2, 6, 14} {
			for _, parts := range []int{1, 2, 6, 40} {
				at := 0
				for _, r := range tileRanges(n, tile, parts) {
					if r[0] != at || r[1] <= r[0] || (r[1]%tile != 0 && r[1] != n) {
						t.Errorf("%d outputs in %d parts of tiles of %d: %v",
							n, parts, tile, tileRanges(n, tile, parts))
						break
					}
					at = r[1]
				}
				if at != n {
					t.Errorf("%d outputs in %d parts of tiles of %d end at %d", n, parts, tile, at)
				}
			}
		}
	}
	h := newHarness(t, 1, true)
	for _, c := range []struct {
		perImage int
		keep     []float32
	}{{7, nil}, {7, []float32{0, 2, 2, 0, 2}}, {600, []float32{2, 2, 2, 0, 2}}, {7, []float32{0, 0, 0, 0, 0}}} {
		const images = 5
		g := h.tape.newLayerGrad(NewParam("w", 20, 4), nil, tokenShape{
			images:   images,
			rows:     images * c.perImage,
			channels: 20,
		})
		g.keep = c.keep
		seen := make([]int, g.shape.rows)
		g.eachChunk(func(row, end int) {
			if end-row > g.chunk {
				t.Errorf("%+v: rows %d to %d at a time, want at most %d", c, row, end, g.chunk)
			}
			for r := row; r < end; r++ {
				seen[r]++
			}
		})
		for r, n := range seen {
			if want := b2i(c.keep == nil || c.keep[r/c.perImage] != 0); n != want {
				t.Errorf("%+v: row %d is added %d times, want %d", c, r, n, want)
				break
			}
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
