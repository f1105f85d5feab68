package kernels

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// A convolution by lines gives the bits of one product of gathered patches, whether the weights or
// the lines are larger.
func TestConvolutionByLines(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	for _, v := range Available() {
		k, err := New(v, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, side := range []int{1, 3, 7, 14, 15} {
			for _, out := range []int{5, 40, 200} { // weights that are smaller and larger than the lines
				for _, biased := range []bool{false, true} {
					name := fmt.Sprintf("%s, %d lines, %d channels, bias %v", v, side, out, biased)
					p := PatchConv{Height: 2 * side, Width: 2 * side, Channels: 6, Size: 2, Step: 2}
					image := newVector(r, 4*side*side*p.Channels)
					weights := NewMatrix(newVector(r, out*p.Inner()), out, p.Inner())
					packed := k.NewPacked(p.Inner(), out, FP32)
					packed.PackTransposed(weights)
					rows := side * side
					patches := NewMatrix(Aligned(rows*p.Inner()), rows, p.Inner())
					got := NewMatrix(Aligned(rows*out), rows, out)
					want := NewMatrix(Aligned(rows*out), rows, out)
					for y := range side {
						for x := range side {
							row := patches.Row(y*side + x)
							for line := range 2 {
								copy(row[line*p.run():][:p.run()], image[(2*y+line)*p.line()+2*x*p.Channels:])
							}
						}
					}
					var bias []float32
					var d Matrix
					if biased {
						bias = newVector(r, out)
						d = Broadcast(bias, rows)
					}
					p.Convolve(k, got, image, 0, packed, bias)
					k.Gemm(want, 1, patches, packed, d)
					if !slices.Equal(got.Data, want.Data) {
						t.Errorf("%s: different bits than the product of the patches", name)
					}
				}
			}
		}
	}
}
