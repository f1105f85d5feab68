package kernels

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// layerShapes are the products of FasterNet-T0 at 224², batch 32: rows (an eighth of them), inner
// length, columns.
var layerShapes = [][3]int{
	{12544, 40, 80},
	{12544, 80, 40},
	{3136, 80, 160},
	{784, 160, 320},
	{784, 320, 160},
	{196, 320, 640},
	{196, 640, 320},
}

func benchVariants(b *testing.B, f func(b *testing.B, k *Set)) {
	for _, v := range Available() {
		b.Run(string(v), func(b *testing.B) { f(b, withPath(b, v, "")) })
	}
}

func reportFLOPS(b *testing.B, macs int) {
	b.ReportMetric(2*float64(macs)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOPS")
}

// BenchmarkGemm runs on one worker, over blocks of rows as the layers do.
func BenchmarkGemm(b *testing.B) {
	benchVariants(b, func(b *testing.B, k *Set) {
		for _, s := range layerShapes {
			M, K, N := s[0], s[1], s[2]
			a, w, c := NewMatrix(Aligned(M*K), M, K), NewMatrix(Aligned(K*N), K, N), NewMatrix(Aligned(M*N), M, N)
			dw := NewMatrix(Aligned(K*N), K, N)
			p := k.NewPacked(K, N, FP32)
			p.Pack(w)
			b.Run(fmt.Sprintf("NN/%dx%dx%d", M, K, N), func(b *testing.B) {
				for b.Loop() {
					for r := 0; r < M; r += 112 {
						to := min(r+112, M)
						k.Gemm(c.Slice(r, to), 1, a.Slice(r, to), p, Matrix{})
					}
				}
				reportFLOPS(b, M*K*N)
			})
			b.Run(fmt.Sprintf("TN/%dx%dx%d", M, K, N), func(b *testing.B) {
				for b.Loop() {
					for r := 0; r < M; r += 112 {
						to := min(r+112, M)
						k.GemmTN(dw, a.Slice(r, to), c.Slice(r, to), FP32)
					}
				}
				reportFLOPS(b, M*K*N)
			})
		}
	})
}

// BenchmarkGemmTokens uses the sizes of ViT-B, with operands that do not fit into the second-level
// cache: a layer on blocks of 98 of 784 tokens, and the gradients of 96 of its outputs from 1576
// tokens.
func BenchmarkGemmTokens(b *testing.B) {
	benchVariants(b, func(b *testing.B, k *Set) {
		for _, s := range [][2]int{{768, 768}, {768, 2304}, {768, 3072}, {3072, 768}} {
			const rows, block = 784, 98
			K, N := s[0], s[1]
			a, c := NewMatrix(Aligned(rows*(K+16)), rows, K+16), NewMatrix(Aligned(rows*(N+16)), rows, N+16)
			w := k.NewPacked(K, N, FP32)
			b.Run(fmt.Sprintf("NN/%dx%dx%d", rows, K, N), func(b *testing.B) {
				for b.Loop() {
					for r := 0; r < rows; r += block {
						k.Gemm(c.Columns(0, N).Slice(r, r+block), 1, a.Columns(0, K).Slice(r, r+block), w, Matrix{})
					}
				}
				reportFLOPS(b, rows*K*N)
			})
		}
		for _, K := range []int{768, 3072} {
			const tokens, outputs = 1576, 96
			dy := NewMatrix(Aligned(tokens*outputs), tokens, outputs)
			dw := NewMatrix(Aligned(outputs*K), outputs, K)
			x := k.NewPacked(tokens, K, FP32)
			b.Run(fmt.Sprintf("TN/%dx%dx%d", outputs, tokens, K), func(b *testing.B) {
				for b.Loop() {
					for r := 0; r < tokens; r += tokens / 2 {
						k.GemmTNPacked(dw, dy.Slice(r, r+tokens/2), x, r)
					}
				}
				reportFLOPS(b, outputs*tokens*K)
			})
		}
	})
}

func BenchmarkPConv(b *testing.B) {
	benchVariants(b, func(b *testing.B, k *Set) {
		for _, p := range []PConv{{56, 56, 10}, {28, 28, 20}, {14, 14, 40}, {7, 7, 80}} {
			pixels := p.Height * p.Width
			padded := Aligned(p.PaddedLen())
			y := NewMatrix(Aligned(pixels*p.Channels), pixels, p.Channels)
			dw := NewMatrix(Aligned(p.Channels*p.Inner()), p.Channels, p.Inner())
			w := k.NewPacked(p.Inner(), p.Channels, FP32)
			b.Run(fmt.Sprintf("forward/%dx%dx%d", p.Height, p.Width, p.Channels), func(b *testing.B) {
				for b.Loop() {
					p.Convolve(k, y, padded, w, Matrix{})
				}
				reportFLOPS(b, pixels*p.Channels*p.Inner())
			})
			b.Run(fmt.Sprintf("weights/%dx%dx%d", p.Height, p.Width, p.Channels), func(b *testing.B) {
				for b.Loop() {
					p.WeightGrad(k, dw, padded, y, FP32)
				}
				reportFLOPS(b, pixels*p.Channels*p.Inner())
			})
		}
	})
}

// BenchmarkElementwise runs on a block that fits into the second-level cache.
func BenchmarkElementwise(b *testing.B) {
	const rows, cols = 112, 320
	r := rand.New(rand.NewPCG(1, 1))
	m := func() Matrix {
		x := NewMatrix(Aligned(rows*cols), rows, cols)
		for i := range x.Data {
			x.Data[i] = float32(r.NormFloat64())
		}
		return x
	}
	x, y, dy, dz := m(), m(), m(), m()
	a := newVector(r, cols)
	p := newVector(r, cols)
	q := newVector(r, cols)
	sum := newVector(r, cols)
	dot := newVector(r, cols)
	mo := Moments{Mean: sum, Dev: dot}
	for _, c := range []struct {
		name string
		run  func(k *Set)
	}{
		{"Affine/relu", func(k *Set) { k.Affine(y, x, a, p, ReLU) }},
		{"Affine/gelu", func(k *Set) { k.Affine(y, x, a, p, GELU) }},
		{"AffineGrad/relu", func(k *Set) { k.AffineGrad(y, dz, x, dy, a, p, q, sum, dot, ReLU) }},
		{"AffineGrad/gelu", func(k *Set) { k.AffineGrad(y, dz, x, dy, a, p, q, sum, dot, GELU) }},
		{"CombineColumns", func(k *Set) { k.CombineColumns(y, x, dy, a, p, q) }},
		{"Moments", func(k *Set) { mo.Measure(k, x) }},
		{"Transpose", func(k *Set) { k.Transpose(NewMatrix(y.Data, cols, rows), x) }},
	} {
		benchVariants(b, func(b *testing.B, k *Set) {
			b.Run(c.name, func(b *testing.B) {
				for b.Loop() {
					c.run(k)
				}
				b.ReportMetric(rows*cols*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gelem/s")
			})
		})
	}
}

func BenchmarkAdamW(b *testing.B) {
	const n = 1 << 20
	w, g, m, v := Aligned(n), Aligned(n), Aligned(n), Aligned(n)
	benchVariants(b, func(b *testing.B, k *Set) {
		for b.Loop() {
			k.AdamW(w, g, m, v, AdamWStep{
				LR:          1e-3,
				WeightDecay: 0.05,
				Beta1:       0.9,
				Beta2:       0.999,
				Eps:         1e-8,
				Step:        1,
				GradScale:   1,
			})
		}
		b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gparam/s")
	})
}

func BenchmarkPool(b *testing.B) {
	for _, n := range []int{1, 2} {
		b.Run(fmt.Sprintf("workers=%d", n), func(b *testing.B) {
			p := NewPool(n)
			defer p.Close()
			f := func(_, _ int) {}
			for b.Loop() {
				p.Run(16, f)
			}
		})
	}
}
