package graph_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/graph/fasternet"
	"fasternet/graph/graphtest"
	"fasternet/graph/swin"
	"fasternet/graph/vit"
	"fasternet/layers"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
)

// wide is the part of a model after its map, in float64, written from the formulas.
type wide struct {
	params map[string][]float64
	tokens int // before the map
	from   func(w *wide, a [][]float64) []float64
}

func newWide(m graph.Model, tokens int, from func(w *wide, a [][]float64) []float64) *wide {
	w := &wide{map[string][]float64{}, tokens, from}
	for _, p := range m.Store().Params() {
		for _, v := range p.Data() {
			w.params[p.Name] = append(w.params[p.Name], float64(v))
		}
	}
	return w
}

func (w *wide) linear(name, bias string, x []float64) []float64 {
	weight := w.params[name]
	y := make([]float64, len(weight)/len(x))
	copy(y, w.params[bias])
	for o := range y {
		for i, v := range x {
			y[o] += weight[o*len(x)+i] * v
		}
	}
	return y
}

func (w *wide) norm(name string, eps float64, x []float64) []float64 {
	mean, variance, y := 0.0, 0.0, make([]float64, len(x))
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		variance += (v - mean) * (v - mean) / float64(len(x))
	}
	for i, v := range x {
		y[i] = (v-mean)/math.Sqrt(variance+eps)*w.params[name+".weight"][i] + w.params[name+".bias"][i]
	}
	return y
}

func gelu(x []float64) []float64 {
	for i, v := range x {
		x[i] = v / 2 * (1 + math.Erf(v/math.Sqrt2))
	}
	return x
}

func relu(x []float64) []float64 {
	for i, v := range x {
		x[i] = max(v, 0)
	}
	return x
}

func mean(rows [][]float64) []float64 {
	out := make([]float64, len(rows[0]))
	for _, r := range rows {
		for i, v := range r {
			out[i] += v / float64(len(rows))
		}
	}
	return out
}

func plus(a, b []float64) []float64 {
	out := slices.Clone(a)
	for i := range out {
		out[i] += b[i]
	}
	return out
}

// block is a transformer block over all tokens.
func (w *wide) block(name string, heads int, eps float64, x [][]float64) [][]float64 {
	n, c := len(x), len(x[0])
	d := c / heads
	qkv := make([][]float64, n)
	for i := range x {
		qkv[i] = w.linear(name+".attn.qkv.weight", name+".attn.qkv.bias", w.norm(name+".norm1", eps, x[i]))
	}
	out := make([][]float64, n)
	for i := range x {
		o := make([]float64, c)
		for h := range heads {
			p, total := make([]float64, n), 0.0
			for j := range n {
				dot := 0.0
				for k := h * d; k < (h+1)*d; k++ {
					dot += qkv[i][k] * qkv[j][c+k]
				}
				p[j] = math.Exp(dot / math.Sqrt(float64(d)))
				total += p[j]
			}
			for j := range n {
				for k := h * d; k < (h+1)*d; k++ {
					o[k] += p[j] / total * qkv[j][2*c+k]
				}
			}
		}
		y := plus(x[i], w.linear(name+".attn.proj.weight", name+".attn.proj.bias", o))
		hidden := gelu(w.linear(name+".mlp.fc1.weight", name+".mlp.fc1.bias", w.norm(name+".norm2", eps, y)))
		out[i] = plus(y, w.linear(name+".mlp.fc2.weight", name+".mlp.fc2.bias", hidden))
	}
	return out
}

// weights returns the mean gradients of a logit over a map, by central differences.
func (w *wide) weights(a [][]float64, class int) []float64 {
	const h = 1e-4
	n := len(a) - w.tokens
	out := make([]float64, len(a[0]))
	at := func(c int, by float64) float64 {
		moved := make([][]float64, len(a))
		for i, row := range a {
			moved[i] = slices.Clone(row)
			if i >= w.tokens {
				moved[i][c] += by
			}
		}
		return w.from(w, moved)[class]
	}
	for c := range out {
		out[c] = (at(c, h) - at(c, -h)) / (2 * h * float64(n))
	}
	return out
}

// The weights of Grad-CAM are the mean gradients, compared with central differences of the rest of the
// network in float64. The map is their sum, cut off at 0.
func TestGradCAM(t *testing.T) {
	t.Parallel()
	vitConfig := func(change func(a *vit.Config)) configs.Model {
		c := configs.DefaultModel("vit")
		configs.Change(&c, func(a *vit.Config) {
			a.EmbedDim, a.Depth, a.NumHeads, a.PatchSize, a.MLPRatio, a.NormEps = 24, 3, configs.Heads{3}, 8, 2, 1e-6
			change(a)
		})
		return c
	}
	swinConfig := func(change func(a *swin.Config)) configs.Model {
		c := configs.DefaultModel("swin")
		configs.Change(&c, func(a *swin.Config) {
			a.EmbedDim = 8
			a.Depths = []int{2, 2}
			a.NumHeads = configs.Heads{2, 2}
			a.WindowSize = 4
			a.MLPRatio = 2
			a.NormEps = 1e-6
			change(a)
		})
		return c
	}
	head := func(w *wide, x []float64) []float64 { return w.linear("head.weight", "head.bias", x) }
	fastHead := func(act func([]float64) []float64) func(w *wide, a [][]float64) []float64 {
		return func(w *wide, a [][]float64) []float64 {
			return head(w, act(w.linear("avgpool_pre_head.1.weight", "", mean(a))))
		}
	}
	fastConfig := func(act string) configs.Model {
		c := smallConfig()
		configs.Change(&c, func(a *fasternet.Config) { a.ActLayer = act })
		return c
	}
	for _, test := range []struct {
		name   string
		config configs.Model
		fold   bool
		tokens int
		from   func(w *wide, a [][]float64) []float64
	}{
		{"fasternet", fastConfig("relu"), false, 0, fastHead(relu)},
		{"fasternet, folded", fastConfig("gelu"), true, 0, fastHead(gelu)},
		{
			"vit, class token", vitConfig(func(a *vit.Config) { a.GlobalPool = false }), false, 1,
			func(w *wide, a [][]float64) []float64 {
				return head(w, w.norm("norm", 1e-6, w.block("blocks.2", 3, 1e-6, a)[0]))
			},
		},
		{
			"vit, mean of the patches", vitConfig(func(a *vit.Config) { a.GlobalPool = true }), false, 1,
			func(w *wide, a [][]float64) []float64 {
				return head(w, w.norm("fc_norm", 1e-6, mean(w.block("blocks.2", 3, 1e-6, a)[1:])))
			},
		},
		{
			"swin", swinConfig(func(a *swin.Config) { a.NormBeforePool = false }), false, 0,
			func(w *wide, a [][]float64) []float64 {
				return head(w, w.norm("norm", 1e-6, mean(a)))
			},
		},
		{
			"swin, norm first", swinConfig(func(a *swin.Config) { a.NormBeforePool = true }), false, 0,
			func(w *wide, a [][]float64) []float64 {
				var normed [][]float64
				for _, x := range a {
					normed = append(normed, w.norm("norm", 1e-6, x))
				}
				return head(w, mean(normed))
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			const size, batch = 32, 2
			c := test.config
			c.NumClasses, c.DropPathRate = 5, 0.5 // an evaluation ignores it
			m, err := graph.New(c, size, 1)
			if err != nil {
				t.Fatal(err)
			}
			graphtest.Fill(m.Store(), 3)
			if test.fold {
				if m, err = graph.ForInference(m); err != nil {
					t.Fatal(err)
				}
			}
			r := newRunner(t, m)
			images := graphtest.Random(batch*size*size*3, 1)
			shape := graph.Shape{Batch: batch, Height: size, Width: size}
			want, err := program(t, r, shape).Forward(images)
			if err != nil {
				t.Fatal(err)
			}
			want = slices.Clone(want)
			p, err := r.Explained(shape)
			if err != nil {
				t.Fatal(err)
			}
			classes := []int{4, 1}
			for range 2 { // a second run does not depend on gradients that the first one has left
				cam, err := p.GradCAM(images, classes)
				if err != nil {
					t.Fatal(err)
				}
				if closest(cam.Logits, want) > 1e-5 {
					t.Errorf("logits %v, in an evaluation %v", cam.Logits, want)
				}
				checkCAM(t, r, newWide(m, test.tokens, test.from), shape, images, classes, cam)
			}
		})
	}
}

// closest returns the largest difference, as a share of the largest value.
func closest(got, want []float32) float64 {
	off, most := 0.0, 0.0
	for i := range want {
		off, most = max(off, math.Abs(float64(got[i]-want[i]))), max(most, math.Abs(float64(want[i])))
	}
	return off / most
}

func checkCAM(
	t *testing.T,
	r *graph.Runner,
	w *wide,
	shape graph.Shape,
	images []float32,
	classes []int,
	cam *graph.CAM,
) {
	t.Helper()
	weights, maps := slices.Clone(cam.Weights), slices.Clone(cam.Maps)
	name, err := graph.MapName(r.Model, shape.Height, shape.Width)
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.Features(shape)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Forward(images); err != nil {
		t.Fatal(err)
	}
	values, dims := feature(t, p, name)
	channels := dims[len(dims)-1]
	each := len(values) / shape.Batch / channels
	for i, class := range classes {
		var a [][]float64
		for k := range each {
			row := make([]float64, channels)
			for c := range row {
				row[c] = float64(values[(i*each+k)*channels+c])
			}
			a = append(a, row)
		}
		want, got := w.weights(a, class), weights[i*channels:(i+1)*channels]
		most := 0.0
		for _, v := range want {
			most = max(most, math.Abs(v))
		}
		if most == 0 {
			t.Fatal("all mean gradients are 0: nothing is compared")
		}
		for c, v := range want {
			if math.Abs(float64(got[c])-v) > 2e-4*most {
				t.Errorf("image %d, channel %d: weight %v, the mean gradient is %v", i, c, got[c], v)
			}
		}
		n, lit := each-w.tokens, false
		if cam.Rows*cam.Cols != n {
			t.Fatalf("a map of %d×%d for %d places", cam.Rows, cam.Cols, n)
		}
		for k := range n {
			sum := 0.0
			for c, v := range want {
				sum += v * a[w.tokens+k][c]
			}
			lit = lit || sum > 0
			if got := float64(maps[i*n+k]); math.Abs(got-max(sum, 0)) > 1e-3*most*float64(channels) {
				t.Errorf("image %d, place %d: %v, want %v", i, k, got, max(sum, 0))
			}
		}
		if !lit {
			t.Logf("image %d: nothing in the map is above 0", i)
		}
	}
}

// mapped is a model that shows its own map, or none, and may have a batch norm after it.
type mapped struct {
	*scaled
	shows bool
}

func (m mapped) Forward(p *layers.Pass, x *gorgonia.Node) (*gorgonia.Node, error) {
	x, err := scale(p.Tape, x, m.weights[0])
	if err != nil {
		return nil, err
	}
	if m.shows {
		p.TapMap(x)
	}
	if x, err = ops.GlobalAvgPool(p.Tape, "pool", x); err != nil {
		return nil, err
	}
	return ops.Linear(p.Tape, "head", x, m.head, nil)
}

// A model of another package needs one call for Grad-CAM. Without it a message that names the model
// refuses it.
func TestGradCAMOfForeignModel(t *testing.T) {
	m := mapped{newScaled(1), true}
	shape := graph.Shape{Batch: 1, Height: 4, Width: 6}
	p, err := newRunner(t, m).Explained(shape)
	if err != nil {
		t.Fatal(err)
	}
	cam, err := p.GradCAM(graphtest.Random(4*6*3, 1), []int{2})
	if err != nil {
		t.Fatal(err)
	}
	if cam.Rows != 4 || cam.Cols != 6 {
		t.Errorf("a map of %d×%d, want 4×6", cam.Rows, cam.Cols)
	}
	for c, got := range cam.Weights { // the head is linear: its weights, over the pixels
		if want := m.head.Data()[2*3+c] / 24; math.Abs(float64(got-want)) > 1e-6 {
			t.Errorf("channel %d: weight %v, want %v", c, got, want)
		}
	}
	for _, classes := range [][]int{{4}, {-1}, {1, 2}} {
		if _, err := p.GradCAM(make([]float32, 72), classes); err == nil {
			t.Errorf("classes %v of one image and 4 outputs are accepted", classes)
		}
	}
	if _, err := newRunner(t, mapped{newScaled(1), false}).Explained(shape); err == nil ||
		!strings.Contains(err.Error(), "Pass.TapMap") {
		t.Errorf("a model without a map: %v", fmt.Sprint(err))
	}
}
