package kernels

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// A convolution of patches in bf16 has the bits of the product of the gathered patches, also if the
// memory for rounded patches cannot hold all lines at once.
func TestPatchConvInBF16(t *testing.T) {
	t.Parallel()
	everyPath(t, func(t *testing.T, k *Set, r *rand.Rand) {
		shapes := []PatchConv{{9, 9, 5, 2, 2}, {8, 12, 3, 4, 4}, {7, 30, 16, 2, 2}, {12, 11, 7, 3, 2}, {4, 5, 1, 1, 1}}
		if k.half.path == BF16AVX512 {
			shapes = append(shapes, PatchConv{40, 40, 256, 2, 2}) // 800 KB of patches
		}
		for n, p := range shapes {
			name := fmt.Sprintf("%+v", p)
			ow, lines := p.OutWidth(), p.OutHeight()
			image, weights := newVector(r, p.Height*p.Width*p.Channels), newGuarded(r, p.Inner(), 1+r.IntN(70))
			packed := k.NewPacked(p.Inner(), weights.Cols, BF16)
			packed.Pack(weights.Matrix)
			patches := newGuarded(r, lines*ow, p.Inner())
			for y := range lines {
				for x := range ow {
					for row := range p.Size {
						copy(
							patches.Row(y*ow + x)[row*p.run():],
							image[((y*p.Step+row)*p.Width+x*p.Step)*p.Channels:][:p.run()],
						)
					}
				}
			}
			var bias []float32
			var d Matrix
			if n%2 == 1 {
				bias = newVector(r, weights.Cols)
				d = Broadcast(bias, patches.Rows)
			}
			want, got := newGuarded(r, patches.Rows, weights.Cols), newGuarded(r, patches.Rows, weights.Cols)
			k.Gemm(want.Matrix, 1, patches.Matrix, packed, d)
			from := lines / 3 // all lines, in two calls
			p.Convolve(k, got.Slice(0, from*ow), image, 0, packed, bias)
			p.Convolve(k, got.Slice(from*ow, lines*ow), image, from, packed, bias)
			got.check(t, name)
			sameValues(t, name, got.values(), want.values(), 0)
		}
	})
}
