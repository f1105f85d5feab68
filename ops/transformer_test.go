package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"fasternet/internal/golden"
	"fasternet/kernels"

	"gorgonia.org/gorgonia"
)

func (h *harness) layerNorm(name string, r *rand.Rand, c int) *LayerNorm {
	n := &LayerNorm{Weight: h.param(name+".weight", r, 0.3, c), Bias: h.param(name+".bias", r, 0.3, c), Eps: 1e-2}
	for i := range n.Weight.Data() {
		n.Weight.Data()[i]++
	}
	return n
}

// keepInput adds an input of factors with a dropped sample.
func (h *harness) keepInput(r *rand.Rand, batch int) *gorgonia.Node {
	n := h.input("keep", r, batch)
	for i := range h.inputs["keep"].Float32s() {
		h.inputs["keep"].Float32s()[i] = []float32{1.25, 0, 1.25, 1.25}[i%4]
	}
	return n
}

// someVariants runs a test with all variants of the kernels, or with the default one, since the kernels
// have their own tests.
func someVariants(t *testing.T, all bool, f func(t *testing.T, k *kernels.Set)) {
	t.Helper()
	if all {
		everyVariant(t, f)
		return
	}
	f(t, kernels.Default())
}

func TestNormaliseGradient(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, k *kernels.Set) {
		r := rand.New(rand.NewPCG(1, 2))
		h := newHarnessOn(t, k, 2, true)
		out, err := Normalise(h.tape, "norm", h.input("x", r, 3, 21, 19), h.layerNorm("norm", r, 19))
		h.compile(out, err, "x")
		h.checkGradients(1e-2, 1e-2)
	})
}

func TestMLPGradient(t *testing.T) {
	t.Parallel()
	for i, c := range []struct {
		images, tokens, c, hidden int
		keep                      bool
	}{
		{2, 5, 8, 16, false},
		{3, 17, 12, 40, true},
		{2, 60, 24, 96, true},
		{1, 50, 12, 410, false}, // several blocks of rows and of hidden columns
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			someVariants(t, i == 1, func(t *testing.T, k *kernels.Set) {
				r := rand.New(rand.NewPCG(1, 2))
				h := newHarnessOn(t, k, 2, true)
				m := MLP{
					Name: "mlp", Norm: h.layerNorm("norm", r, c.c),
					Fc1: h.param("fc1", r, 0.3, c.hidden, c.c), Fc1Bias: h.param("fc1.bias", r, 0.3, c.hidden),
					Fc2: h.param("fc2", r, 0.3, c.c, c.hidden), Fc2Bias: h.param("fc2.bias", r, 0.3, c.c),
				}
				x := h.input("x", r, c.images, c.tokens, c.c)
				if c.keep {
					m.Keep = h.keepInput(r, c.images)
				}
				out, err := MLPBlock(h.tape, x, m)
				h.compile(out, err, "x")
				h.checkGradients(1e-2, 2e-2)
			})
		})
	}
}

func (h *harness) attention(
	r *rand.Rand, w *Windows, images, tokens, c, heads, side int, keep, bias bool,
) *gorgonia.Node {
	a := Attention{
		Name:     "attn",
		Norm:     h.layerNorm("norm", r, c),
		Heads:    heads,
		Windows:  w,
		QKV:      h.param("qkv", r, 0.4, 3*c, c),
		Proj:     h.param("proj", r, 0.3, c, c),
		ProjBias: h.param("proj.bias", r, 0.3, c),
	}
	if bias {
		a.QKVBias = h.param("qkv.bias", r, 0.3, 3*c)
	}
	if side > 0 {
		a.Table = h.param("table", r, 0.5, (2*side-1)*(2*side-1), heads)
	}
	x := h.input("x", r, images, tokens, c)
	if keep {
		a.Keep = h.keepInput(r, images)
	}
	out, err := AttentionBlock(h.tape, x, a)
	h.compile(out, err, "x")
	return out
}

// ragged holds windows of 1, 4 and 7 tokens of 12, out of order, some of the same form.
func ragged(t *testing.T, images int) *Windows {
	var list []Window
	for i := range images {
		at := func(ts ...int) []int {
			for j := range ts {
				ts[j] += 12 * i
			}
			return ts
		}
		list = append(list,
			Window{Tokens: at(11, 3, 0, 5), Rows: []int{4, 4, 5, 5}, Cols: []int{0, 1, 0, 1}},
			Window{Tokens: at(7), Rows: []int{9}, Cols: []int{9}},
			Window{
				Tokens: at(1, 2, 4, 6, 8, 9, 10),
				Rows:   []int{0, 0, 0, 1, 1, 2, 2},
				Cols:   []int{0, 1, 2, 0, 2, 1, 2},
			})
	}
	w, err := NewWindows(12*images, 3, list)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestAttentionGradient(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name              string
		w                 *Windows
		images, tokens, c int
		heads, side       int
		keep, bias        bool
	}{
		{"whole", WholeImages(3, 11), 3, 11, 12, 2, 0, true, true},
		{"many queries", WholeImages(1, 75), 1, 75, 8, 1, 0, false, true},
		{"no bias", WholeImages(2, 5), 2, 5, 6, 3, 0, false, false},
		{"shifted", ShiftedWindows(2, 4, 4, 3, 1), 2, 16, 12, 2, 3, true, true},
		{"not divided", ShiftedWindows(1, 5, 7, 4, 2), 1, 35, 8, 2, 4, false, true},
		{"ragged", ragged(t, 2), 2, 12, 12, 3, 3, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			someVariants(t, c.name == "shifted", func(t *testing.T, k *kernels.Set) {
				h := newHarnessOn(t, k, 2, true)
				h.attention(rand.New(rand.NewPCG(1, 2)), c.w, c.images, c.tokens, c.c, c.heads, c.side, c.keep, c.bias)
				h.checkGradients(1e-2, 2e-2)
			})
		})
	}
}

// Attention in a window equals the formula in float64.
func TestAttentionFormula(t *testing.T) {
	everyVariant(t, func(t *testing.T, k *kernels.Set) {
		r := rand.New(rand.NewPCG(3, 4))
		h := newHarnessOn(t, k, 2, false)
		w := ragged(t, 2)
		const c, heads, d = 12, 3, 4
		out := h.attention(r, w, 2, 12, c, heads, 3, false, true)
		h.run()
		p := map[string][]float32{}
		for _, q := range h.params {
			p[q.Name] = q.Data()
		}
		x, got := h.inputs["x"].Float32s(), h.tape.Value(out)
		qkv := make([]float64, 24*3*c)
		for i := range 24 {
			n := make([]float64, c)
			mean, variance := 0.0, 0.0
			for _, v := range x[i*c : (i+1)*c] {
				mean += float64(v) / c
			}
			for _, v := range x[i*c : (i+1)*c] {
				variance += (float64(v) - mean) * (float64(v) - mean) / c
			}
			for j, v := range x[i*c : (i+1)*c] {
				normed := (float64(v) - mean) / math.Sqrt(variance+1e-2)
				n[j] = normed*float64(p["norm.weight"][j]) + float64(p["norm.bias"][j])
			}
			for o := range 3 * c {
				s := float64(p["qkv.bias"][o])
				for j := range n {
					s += n[j] * float64(p["qkv"][o*c+j])
				}
				qkv[i*3*c+o] = s
			}
		}
		for _, win := range w.list {
			for a, ta := range win.tokens {
				o := make([]float64, c)
				for head := range heads {
					var scores []float64
					var z float64
					for b, tb := range win.tokens {
						s := 0.0
						for j := range d {
							s += qkv[int(ta)*3*c+head*d+j] * qkv[int(tb)*3*c+c+head*d+j]
						}
						s = math.Exp(s/2 + float64(p["table"][w.biasRow(win.codes[a], win.codes[b])*heads+head]))
						scores = append(scores, s)
						z += s
					}
					for b, tb := range win.tokens {
						for j := range d {
							o[head*d+j] += scores[b] / z * qkv[int(tb)*3*c+2*c+head*d+j]
						}
					}
				}
				for k := range c {
					want := float64(x[int(ta)*c+k]) + float64(p["proj.bias"][k])
					for j := range o {
						want += o[j] * float64(p["proj"][k*c+j])
					}
					if v := got[int(ta)*c+k]; math.Abs(float64(v)-want) > 1e-5 {
						t.Fatalf("token %d, channel %d: got %v, want %v", ta, k, v, want)
					}
				}
			}
		}
	})
}

// A shift cuts the windows at the border. 7×7 tokens in windows of 4, shifted by 2, give the result
// of the definition by rolled and masked windows.
func TestShiftedWindows(t *testing.T) {
	const side, shift, n = 4, 2, 8
	w := ShiftedWindows(1, n, n, side, shift)
	region := func(i int) int {
		switch {
		case i < n-side:
			return 0
		case i < n-shift:
			return 1
		}
		return 2
	}
	together := func(a, b int) bool { // rolled by -shift: in one window and one region
		ya, xa, yb, xb := (a/n-shift+n)%n, (a%n-shift+n)%n, (b/n-shift+n)%n, (b%n-shift+n)%n
		return ya/side == yb/side && xa/side == xb/side && region(ya) == region(yb) && region(xa) == region(xb)
	}
	for _, win := range w.list {
		for a := range n * n {
			for _, b := range win.tokens {
				if slices.Contains(win.tokens, int32(a)) != together(a, int(b)) {
					t.Fatalf("tokens %d and %d: %v", a, b, together(a, int(b)))
				}
			}
		}
	}
	if got := fmt.Sprint(RelativeIndex(2)); got != "[4 3 1 0 5 4 2 1 7 6 4 3 8 7 5 4]" {
		t.Errorf("relative index of 2×2: %s", got)
	}
}

func TestWindowErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		list []Window
	}{
		{"missing token", []Window{{Tokens: []int{0, 1}}}},
		{"token twice", []Window{{Tokens: []int{0, 1, 1}}, {Tokens: []int{2}}}},
		{"token outside", []Window{{Tokens: []int{0, 1, 2, 3}}}},
		{"negative number", []Window{{Tokens: []int{-1, 0, 1, 2}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := NewWindows(3, 0, c.list); err == nil {
				t.Errorf("%s: no error", c.name)
			}
		})
	}
	if _, err := NewWindows(2, 3, []Window{{Tokens: []int{0, 1}, Rows: []int{0, 3}, Cols: []int{0, 0}}}); err == nil {
		t.Error("a window of more than its side: no error")
	}
	if _, err := NewWindows(2, 3, []Window{{Tokens: []int{0, 1}}}); err == nil {
		t.Error("a window without places: no error")
	}
}

func TestPatchEmbedGradient(t *testing.T) {
	for _, norm := range []bool{false, true} {
		t.Run(fmt.Sprint("norm=", norm), func(t *testing.T) {
			everyVariant(t, func(t *testing.T, k *kernels.Set) {
				r := rand.New(rand.NewPCG(1, 2))
				h := newHarnessOn(t, k, 2, true)
				p := PatchEmbedding{
					Name:   "embed",
					Weight: h.param("weight", r, 0.3, 20, 3, 4, 4),
					Bias:   h.param("bias", r, 0.3, 20),
				}
				if norm {
					p.Norm = h.layerNorm("norm", r, 20)
				}
				out, err := PatchEmbed(h.tape, h.input("x", r, 3, 14, 17, 3), p)
				h.compile(out, err)
				h.checkGradients(1e-2, 2e-2)
			})
		})
	}
}

func TestPatchMergeGradient(t *testing.T) {
	everyVariant(t, func(t *testing.T, k *kernels.Set) {
		r := rand.New(rand.NewPCG(1, 2))
		h := newHarnessOn(t, k, 2, true)
		x := h.input("x", r, 3, 6, 8, 5)
		out, err := PatchMerge(h.tape, x, Merging{
			Name:      "merge",
			Norm:      h.layerNorm("norm", r, 20),
			Reduction: h.param("reduction", r, 0.3, 10, 20),
			Order:     SwinOrder,
		})
		h.compile(out, err, "x")
		h.checkGradients(1e-2, 2e-2)
	})
}

func TestEmbeddingGradients(t *testing.T) {
	everyVariant(t, func(t *testing.T, k *kernels.Set) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, grid := range [][2]int{{3, 4}, {5, 2}} {
			for class := range 2 {
				h := newHarnessOn(t, k, 2, true)
				e := Embedding{Name: "embed", Position: h.param("pos", r, 0.3, 1, class+grid[0]*grid[1], 7), Grid: grid}
				if class == 1 {
					e.Class = h.param("cls", r, 0.3, 1, 1, 7)
				}
				out, err := Embed(h.tape, h.input("x", r, 2, 3, 4, 7), e)
				h.compile(out, err, "x")
				h.checkGradients(1e-2, 1e-3)
			}
		}
		h := newHarnessOn(t, k, 2, true)
		out, err := MeanTokens(h.tape, "mean", h.input("x", r, 3, 9, 7), 1, 9)
		h.compile(out, err, "x")
		h.checkGradients(1e-2, 1e-3)
	})
}

// Sine-cosine embeddings and bicubic interpolation equal the reference.
func TestPositions(t *testing.T) {
	want := golden.Tensors(t, "pos_embed.safetensors")
	for _, c := range []struct{ class, channels, grid int }{{1, 48, 6}, {0, 48, 4}, {1, 768, 14}} {
		name := fmt.Sprintf("sincos/dim%d_grid%d", c.channels, c.grid)
		if c.class == 1 {
			name += "_cls"
		}
		checkAbs(t, name, SinCosPositions(c.class, c.channels, [2]int{c.grid, c.grid}), want[name].Data)
	}
	checked := 0
	for name, in := range want {
		var from, to int
		if n, _ := fmt.Sscanf(name, "interp_in/%dto%d", &from, &to); n != 2 {
			continue
		}
		out := want[fmt.Sprintf("interp_out/%dto%d", from, to)]
		checkAbs(
			t, name,
			ResizePositions(in.Data, in.Shape[1]-from*from, in.Shape[2], [2]int{from, from}, [2]int{to, to}, Pointwise),
			out.Data,
		)
		checked++
	}
	if checked < 3 {
		t.Errorf("only %d interpolations were compared", checked)
	}
}

func checkAbs(t *testing.T, name string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", name, len(got), len(want))
	}
	for i, w := range want {
		if math.Abs(float64(got[i]-w)) > 2e-6 {
			t.Fatalf("%s[%d] = %v, want %v", name, i, got[i], w)
		}
	}
}

func TestTransformerErrors(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	h := newHarness(t, 1, true)
	x := h.input("x", r, 2, 6, 8)
	norm := h.layerNorm("norm", r, 8)
	p := func(shape ...int) *Param { return h.param(fmt.Sprint("p", len(h.params)), r, 1, shape...) }
	good := func() Attention {
		return Attention{
			Name:     "a",
			Norm:     norm,
			QKV:      p(24, 8),
			QKVBias:  p(24),
			Proj:     p(8, 8),
			ProjBias: p(8),
			Heads:    2,
			Windows:  WholeImages(2, 6),
		}
	}
	for _, c := range []struct {
		name   string
		change func(a *Attention)
	}{
		{"heads", func(a *Attention) { a.Heads = 3 }},
		{"weight", func(a *Attention) { a.QKV = p(24, 7) }},
		{"norm", func(a *Attention) { a.Norm = h.layerNorm("other", r, 9) }},
		{"windows", func(a *Attention) { a.Windows = WholeImages(2, 7) }},
		{"table", func(a *Attention) { a.Table = p(9, 2) }},
		{"keep", func(a *Attention) { a.Keep = h.input("k", r, 3) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := good()
			c.change(&a)
			if _, err := AttentionBlock(h.tape, x, a); err == nil {
				t.Errorf("%s: no error", c.name)
			}
		})
	}
	if _, err := MLPBlock(h.tape, x, MLP{
		Name:    "m",
		Norm:    norm,
		Fc1:     p(16, 8),
		Fc1Bias: p(16),
		Fc2:     p(8, 15),
		Fc2Bias: p(8),
	}); err == nil {
		t.Error("an MLP of two widths: no error")
	}
	if _, err := MeanTokens(h.tape, "m", x, 3, 7); err == nil {
		t.Error("a mean of tokens that do not exist: no error")
	}
	if _, err := PatchMerge(h.tape, h.input("odd", r, 1, 3, 4, 2), Merging{
		Name:      "m",
		Norm:      norm,
		Reduction: p(4, 8),
		Order:     SwinOrder,
	}); err == nil {
		t.Error("merging of an odd side: no error")
	}
}
