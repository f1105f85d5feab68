package kernels

import (
	"fmt"
	"testing"
)

// BenchmarkGemmCold runs products of few rows with weights from memory, as a large model does at
// batch 1. For comparison it runs each product with weights from a cache.
func BenchmarkGemmCold(b *testing.B) {
	benchVariants(b, func(b *testing.B, k *Set) {
		for _, s := range [][3]int{
			{49, 1024, 2048},
			{49, 2048, 1024},
			{98, 512, 1024},
			{98, 1024, 512},
			{197, 768, 2304},
			{49, 3072, 1536},
		} {
			M, K, N := s[0], s[1], s[2]
			a := NewMatrix(Aligned(M*(K+16)), M, K+16).Columns(0, K)
			c := NewMatrix(Aligned(M*(N+16)), M, N+16).Columns(0, N)
			for _, size := range []int{0, 160 << 20} {
				weights := make([]*Packed, max(1, size/(4*K*N)))
				for i := range weights {
					weights[i] = k.NewPacked(K, N, FP32)
					for j := range weights[i].data { // gives each its own memory
						weights[i].data[j] = 1
					}
				}
				b.Run(fmt.Sprintf("%dx%dx%d/weights=%d", M, K, N, len(weights)), func(b *testing.B) {
					i := 0
					for b.Loop() {
						k.Gemm(c, 1, a, weights[i], Matrix{})
						i = (i + 1) % len(weights)
					}
					reportFLOPS(b, M*K*N)
				})
			}
		}
	})
}
