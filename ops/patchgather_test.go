package ops

import (
	"math/rand/v2"
	"slices"
	"testing"

	"fasternet/kernels"
)

// In evaluation the patches of short lines are gathered, which changes no bit.
func TestGatheredForEvaluation(t *testing.T) {
	const size, out, channels, batch = 7, 256, 5, 2
	for _, in := range []kernels.Precision{kernels.FP32, kernels.BF16} {
		for _, k := range setsOf(t, in) {
			h, r := newHarnessOn(t, k, 2, false), rand.New(rand.NewPCG(1, 2))
			h.tape.Precision = in
			x := h.input("x", r, batch, 2*size, 2*size, channels)
			p := PatchConv{
				Name:   "merge",
				Weight: h.param("w", r, 0.3, out, channels, 2, 2),
				Stride: 2,
				Bias:   h.param("b", r, 0.3, out),
			}
			f, err := newPatchConv(h.tape, x, p)
			if err != nil {
				t.Fatal(err)
			}
			if !f.gather {
				t.Fatal("the patches are not gathered")
			}
			y, err := PatchConvNorm(h.tape, x, p)
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
			want := kernels.NewMatrix(kernels.Aligned(batch*size*size*out), batch*size*size, out)
			f.x = h.inputs["x"].Float32s()
			for image := range batch {
				n := size * size
				f.patch.Convolve(k, want.Slice(image*n, (image+1)*n), f.image(f.x, image), 0, f.w.Packed, p.Bias.Data())
			}
			if !slices.Equal(h.tape.Value(y), want.Data) {
				t.Errorf("%v, %v: different bits than line by line", k, in)
			}
		}
	}
}
