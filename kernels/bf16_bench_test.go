package kernels

import (
	"fmt"
	"testing"
)

// bf16Shapes are the products of FasterNet-T0, and of ViT-B by blocks of rows.
var bf16Shapes = append(
	layerShapes[1:], [3]int{784, 768, 2304}, [3]int{784, 768, 768}, [3]int{784, 3072, 768},
	[3]int{784, 768, 3072},
)

// BenchmarkBF16Gemm compares the products of both precisions on one worker.
func BenchmarkBF16Gemm(b *testing.B) {
	k := Default()
	if k.BF16() == "" || k.BF16() == BF16Go {
		b.Skipf("NOT TIMED HERE: %v", k.BF16Refusals())
	}
	for _, s := range bf16Shapes {
		M, K, N := s[0], s[1], s[2]
		a, w, c := NewMatrix(Aligned(M*K), M, K), NewMatrix(Aligned(K*N), K, N), NewMatrix(Aligned(M*N), M, N)
		dw := NewMatrix(Aligned(K*N), K, N)
		for _, in := range []Precision{FP32, BF16} {
			p := k.NewPacked(K, N, in)
			p.Pack(w)
			b.Run(fmt.Sprintf("NN/%dx%dx%d/%v", M, K, N, in), func(b *testing.B) {
				for b.Loop() {
					for r := 0; r < M; r += 112 {
						to := min(r+112, M)
						k.Gemm(c.Slice(r, to), 1, a.Slice(r, to), p, Matrix{})
					}
				}
				reportFLOPS(b, M*K*N)
			})
			b.Run(fmt.Sprintf("TN/%dx%dx%d/%v", M, K, N, in), func(b *testing.B) {
				for b.Loop() {
					for r := 0; r < M; r += 112 {
						to := min(r+112, M)
						k.GemmTN(dw, a.Slice(r, to), c.Slice(r, to), in)
					}
				}
				reportFLOPS(b, M*K*N)
			})
		}
	}
}
