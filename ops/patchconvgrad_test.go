package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"fasternet/kernels"
)

// merging returns the gradients of a merging layer whose weight counts as large from rowsWeight
// values on.
func merging(t *testing.T, k *kernels.Set, in kernels.Precision, workers, rowsWeight, width int, first bool) *harness {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	h := newHarnessOn(t, k, workers, true)
	h.tape.Precision, h.tape.rowsWeight = in, rowsWeight
	x := h.input("x", r, 5, 14, width, 20)
	out, err := PatchConvNorm(h.tape, x, PatchConv{
		Name:        "merge",
		Weight:      h.param("weight", r, 0.3, 70, 20, 2, 2),
		Stride:      2,
		Norm:        h.norm("norm", r, 70),
		NoInputGrad: first,
	})
	if first {
		h.compile(out, err)
	} else {
		h.compile(out, err, "x")
	}
	h.run()
	return h
}

// Both ways to divide the gradient of the weight give the same, except for the order of sums. The other
// gradients have the same bits.
func TestMergingByOutputs(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, k *kernels.Set, in kernels.Precision, tolerance float64) {
		for _, width := range []int{14, 36} { // lines shorter and longer than a tile of registers
			for _, first := range []bool{false, true} {
				rows, outputs := merging(t, k, in, 2, math.MaxInt, width, first), merging(t, k, in, 2, 0, width, first)
				for i, p := range outputs.params {
					near(t, "the gradient of "+p.Name, p.GradData(), rows.params[i].GradData(), tolerance)
				}
				if !first {
					same(
						t, "the gradient of x", outputs.tape.Value(outputs.grads["x"]),
						rows.tape.Value(rows.grads["x"]),
					)
				}
			}
		}
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

// usedBy returns the planned memory that the backward pass of the layer asks for, in values.
func usedBy(t *testing.T, h *harness) (sizes []int) {
	t.Helper()
	for _, o := range h.tape.ops {
		if o.Kind == KindPatchConvNorm+GradSuffix {
			for _, b := range o.Uses {
				sizes = append(sizes, b.size)
			}
			return sizes
		}
	}
	t.Fatal("no backward pass was recorded")
	return nil
}

// A large weight has no sums of its size, however many runs of spans there are. A small weight has some.
func TestMergingMemory(t *testing.T) {
	const rows, inner, out = 5 * 7 * 7, 4 * 20, 70
	conv := rows * out
	want := []int{conv, rows * rowStride(inner)}
	if got := usedBy(t, merging(t, kernels.Default(), kernels.FP32, 2, 0, 14, false)); !slices.Equal(got, want) {
		t.Errorf("a weight divided by outputs uses %v values, want the map before the norm and the patches, %v",
			got, want)
	}
	small := usedBy(t, merging(t, kernels.Default(), kernels.FP32, 2, math.MaxInt, 14, false))
	if len(small) != 2 || small[0] != conv || small[1]%(out*inner) != 0 || small[1] < 2*out*inner {
		t.Errorf("a weight divided by rows uses %v values, want the map before the norm, %d, and some sums of %d",
			small, conv, out*inner)
	}
}
