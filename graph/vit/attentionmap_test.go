package vit

import (
	"math"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/layers"
)

// The maps equal the formula in float64.
func TestAttentionMaps(t *testing.T) {
	for _, pooled := range []bool{false, true} {
		c := configs.DefaultModel("vit")
		configs.Change(&c, func(a *Config) {
			a.EmbedDim, a.Depth, a.NumHeads, a.PatchSize, a.GlobalPool = 24, 2, configs.Heads{3}, 8, pooled
		})
		c.NumClasses = 5
		net, err := New(c, 32, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range net.Store().Entries {
			if e.Param != nil { // as large as after a training; biases too
				for i := range e.Param.Data() {
					e.Param.Data()[i] += float32(math.Sin(float64(i*i))) / 4
				}
				e.Param.Changed()
			}
		}
		pool := kernels.NewPool(2)
		defer pool.Close()
		p, err := graph.NewRunner(net, pool).Features(graph.Shape{Batch: 2, Height: 32, Width: 32})
		if err != nil {
			t.Fatal(err)
		}
		images := make([]float32, 2*32*32*3)
		for i := range images {
			images[i] = float32(math.Sin(float64(i) / 7))
		}
		if _, err := p.Forward(images); err != nil {
			t.Fatal(err)
		}
		tokens, _, err := p.Feature(layers.Tokens)
		if err != nil {
			t.Fatal(err)
		}
		got, err := net.AttentionMaps(kernels.Default(), tokens, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 2*3*16 {
			t.Fatalf("%d probabilities, want 2·3·16", len(got))
		}
		for i, want := range referenceAttention(net, tokens, 2) {
			if math.Abs(float64(got[i])-want) > 1e-5 {
				t.Errorf("pooled %v: probability %d is %v, want %v", pooled, i, got[i], want)
			}
		}
		if _, err := net.AttentionMaps(kernels.Default(), tokens[1:], 2); err == nil {
			t.Error("tokens that do not fit")
		}
		checkUntilBlock(t, net, images)
	}
}

// checkUntilBlock compares the attention of the first block with the formula.
func checkUntilBlock(t *testing.T, net *Model, images []float32) {
	t.Helper()
	short, err := net.UntilBlock(1)
	if err != nil {
		t.Fatal(err)
	}
	pool := kernels.NewPool(2)
	defer pool.Close()
	p, err := graph.NewRunner(short, pool).Features(graph.Shape{Batch: 2, Height: 32, Width: 32})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Forward(images); err != nil {
		t.Fatal(err)
	}
	tokens, _, err := p.Feature(layers.Tokens)
	if err != nil {
		t.Fatal(err)
	}
	first, ok := short.(*Model)
	if !ok {
		t.Fatalf("%T", short)
	}
	got, err := first.AttentionMaps(kernels.Default(), tokens, 2)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range referenceAttention(first, tokens, 2) {
		if math.Abs(float64(got[i])-want) > 1e-5 {
			t.Errorf("probability %d of the first block is %v, want %v", i, got[i], want)
		}
	}
	if len(net.blocks) != 2 || net.Blocks() != 2 {
		t.Errorf("the model itself has %d blocks now", len(net.blocks))
	}
	for _, block := range []int{0, 3} {
		if _, err := net.UntilBlock(block); err == nil || !strings.Contains(err.Error(), "from 1 to 2") {
			t.Errorf("block %d: %v", block, err)
		}
	}
}

func referenceAttention(net *Model, tokens []float32, images int) []float64 {
	a, c := net.blocks[len(net.blocks)-1].Attention, net.Arch().EmbedDim
	n, d := len(tokens)/images/c, c/a.Heads
	var out []float64
	for image := range images {
		qkv := make([][]float64, n)
		for i := range n {
			x := tokens[(image*n+i)*c:][:c]
			mean, variance := 0.0, 0.0
			for _, v := range x {
				mean += float64(v) / float64(c)
			}
			for _, v := range x {
				variance += math.Pow(float64(v)-mean, 2) / float64(c)
			}
			for o := range 3 * c {
				sum := float64(a.QKVBias.Data()[o])
				for j, v := range x {
					normed := (float64(v) - mean) / math.Sqrt(variance+a.Norm.Eps)
					y := normed*float64(a.Norm.Weight.Data()[j]) + float64(a.Norm.Bias.Data()[j])
					sum += y * float64(a.QKV.Data()[o*c+j])
				}
				qkv[i] = append(qkv[i], sum)
			}
		}
		for h := range a.Heads {
			mean := make([]float64, n)
			readers := qkv[:1]
			if net.Arch().GlobalPool {
				readers = qkv[1:]
			}
			for _, q := range readers {
				weights, total := make([]float64, n), 0.0
				for j := range n {
					dot := 0.0
					for k := range d {
						dot += q[h*d+k] * qkv[j][c+h*d+k]
					}
					weights[j] = math.Exp(dot / math.Sqrt(float64(d)))
					total += weights[j]
				}
				for j := range mean {
					mean[j] += weights[j] / total / float64(len(readers))
				}
			}
			out = append(out, mean[1:]...)
		}
	}
	return out
}
