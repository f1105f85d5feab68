package ops

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// rows64 is a matrix in float64.
type rows64 [][]float64

func toRows(x []float32, cols int) (out rows64) {
	for row := range slices.Chunk(x, cols) {
		var r []float64
		for _, v := range row {
			r = append(r, float64(v))
		}
		out = append(out, r)
	}
	return out
}

// each returns f of every value.
func (m rows64) each(f func(float64) float64) rows64 {
	out := make(rows64, len(m))
	for i, row := range m {
		for _, v := range row {
			out[i] = append(out[i], f(v))
		}
	}
	return out
}

// on returns the nearest values on a grid.
func (m rows64) on(g Grid) rows64 {
	return m.each(func(v float64) float64 { return g.Value(g.Round(v)) })
}

func (m rows64) plus(n rows64) rows64 {
	out := make(rows64, len(m))
	for i, row := range m {
		for j, v := range row {
			out[i] = append(out[i], v+n[i][j])
		}
	}
	return out
}

// linear returns x·Wᵀ + b.
func (m rows64) linear(w *Param, bias []float32) rows64 {
	out := make(rows64, len(m))
	for i, row := range m {
		for o := range w.Shape()[0] {
			sum := 0.0
			if bias != nil {
				sum = float64(bias[o])
			}
			for j, v := range row {
				sum += v * float64(w.Data()[o*len(row)+j])
			}
			out[i] = append(out[i], sum)
		}
	}
	return out
}

func (m rows64) norm(n *LayerNorm) rows64 {
	out := make(rows64, len(m))
	for i, row := range m {
		mean, variance := 0.0, 0.0
		for _, v := range row {
			mean += v / float64(len(row))
		}
		for _, v := range row {
			variance += (v - mean) * (v - mean) / float64(len(row))
		}
		for j, v := range row {
			v = (v - mean) / math.Sqrt(variance+n.Eps)
			out[i] = append(out[i], v*float64(n.Weight.Data()[j])+float64(n.Bias.Data()[j]))
		}
	}
	return out
}

func gelu64(v float64) float64 { return v * 0.5 * math.Erfc(-v/math.Sqrt2) }

// heads is attention among tokens in one window, with rows of queries, keys and values.
func (m rows64) heads(heads int) rows64 {
	c := len(m[0]) / 3
	d := c / heads
	out := make(rows64, len(m))
	for i := range m {
		out[i] = make([]float64, c)
		for h := range heads {
			p, total := make([]float64, len(m)), 0.0
			for j := range m {
				for k := range d {
					p[j] += m[i][h*d+k] * m[j][c+h*d+k] / math.Sqrt(float64(d))
				}
				p[j] = math.Exp(p[j])
				total += p[j]
			}
			for j := range m {
				for k := range d {
					out[i][h*d+k] += p[j] / total * m[j][2*c+h*d+k]
				}
			}
		}
	}
	return out
}

// int8Layers makes layers with random weights.
type int8Layers struct {
	r *rand.Rand
}

func (l int8Layers) param(name string, size float64, shape ...int) *Param {
	p := NewFixedParam(name, shape...)
	for i := range p.Data() {
		p.Data()[i] = float32(l.r.NormFloat64() * size)
	}
	p.Changed()
	return p
}

func (l int8Layers) norm(c int) *LayerNorm {
	n := &LayerNorm{Weight: l.param("norm.weight", 0.3, c), Bias: l.param("norm.bias", 0.3, c), Eps: 1e-5}
	for i := range n.Weight.Data() {
		n.Weight.Data()[i]++
	}
	n.Weight.Changed()
	return n
}

func (l int8Layers) mlp(c, hidden int) MLP {
	return MLP{
		Name: "mlp", Norm: l.norm(c),
		Fc1: l.param("fc1", 0.2, hidden, c), Fc1Bias: l.param("b1", 0.3, hidden),
		Fc2: l.param("fc2", 0.2, c, hidden), Fc2Bias: l.param("b2", 0.3, c),
	}
}

// linear returns the 8-bit form of a layer with a coarse grid, so that a missing rounding shows. Its
// biases differ from the float32 ones.
func (l int8Layers) linear(w *Param, in Grid) *Int8Linear {
	q := &Int8Weight{Param: w}
	n := w.Size() / w.Shape()[0]
	for o := range w.Shape()[0] {
		most := 0.0
		row := w.Data()[o*n : (o+1)*n]
		for _, v := range row {
			most = max(most, math.Abs(float64(v)))
		}
		q.Scale, q.Bias = append(q.Scale, float32(most/MostInt8)), append(q.Bias, float32(l.r.NormFloat64()))
		for i, v := range row {
			row[i] = q.Scale[o] * float32(math.RoundToEven(float64(v/q.Scale[o])))
		}
	}
	w.Changed()
	return &Int8Linear{Name: "in", In: in, Weight: q}
}

// adds adds an op to a graph.
type adds func(t *Tape, x *gorgonia.Node) (*gorgonia.Node, error)

// evaluate runs an op on an input.
func evaluate(t *testing.T, k *kernels.Set, threads int, x []float32, shape tensor.Shape, add adds) []float32 {
	t.Helper()
	pool := k.NewPool(threads)
	defer pool.Close()
	tape := NewTape(NewWorkspace(pool), false)
	in := tape.Input("x", shape...)
	out, err := add(tape, in)
	if err != nil {
		t.Fatal(err)
	}
	tape.Keep(out)
	if err := tape.Plan(); err != nil {
		t.Fatal(err)
	}
	if err := gorgonia.Let(in, tensor.New(tensor.WithShape(shape...), tensor.WithBacking(x))); err != nil {
		t.Fatal(err)
	}
	machine := tape.NewMachine()
	for range 2 {
		if err := tape.Run(machine); err != nil {
			t.Fatal(err)
		}
	}
	return slices.Clone(tape.Value(out))
}

// Ops on tokens with layers of 8 bits equal their definition: each input of such a layer is rounded to
// its grid, and nothing else is rounded.
func TestInt8Tokens(t *testing.T) {
	const tokens, c, hidden = 45, 24, 70
	type made struct {
		shape tensor.Shape
		add   adds
		want  func(x []float32) rows64
	}
	input, act, before := Grid{0.11, 120}, Grid{0.07, 9}, Grid{0.09, 130}
	mlp := func(l int8Layers, first, second bool) made {
		m := l.mlp(c, hidden)
		b1, b2 := m.Fc1Bias.Data(), m.Fc2Bias.Data()
		if first {
			m.Fc1Int8 = l.linear(m.Fc1, input)
			m.Fc1Int8.Out, b1 = &before, m.Fc1Int8.Weight.Bias
		}
		if second {
			m.Fc2Int8 = l.linear(m.Fc2, act)
			b2 = m.Fc2Int8.Weight.Bias
		}
		add := func(t *Tape, x *gorgonia.Node) (*gorgonia.Node, error) { return MLPBlock(t, x, m) }
		return made{tensor.Shape{1, tokens, c}, add, func(x []float32) rows64 {
			rows := toRows(x, c)
			n := rows.norm(m.Norm)
			if first {
				n = n.on(input)
			}
			h := n.linear(m.Fc1, b1)
			if first {
				h = h.on(before)
			}
			h = h.each(gelu64)
			if second {
				h = h.on(act)
			}
			return rows.plus(h.linear(m.Fc2, b2))
		}}
	}
	attention := func(l int8Layers, first, second bool) made {
		a := Attention{
			Name: "attn", Norm: l.norm(c), Heads: 3, Windows: WholeImages(1, tokens),
			QKV: l.param("qkv", 0.2, 3*c, c), QKVBias: l.param("b1", 0.3, 3*c),
			Proj: l.param("proj", 0.2, c, c), ProjBias: l.param("b2", 0.3, c),
		}
		b1, b2 := a.QKVBias.Data(), a.ProjBias.Data()
		if first {
			a.QKVInt8 = l.linear(a.QKV, input)
			b1 = a.QKVInt8.Weight.Bias
		}
		if second {
			a.ProjInt8 = l.linear(a.Proj, act)
			b2 = a.ProjInt8.Weight.Bias
		}
		add := func(t *Tape, x *gorgonia.Node) (*gorgonia.Node, error) { return AttentionBlock(t, x, a) }
		return made{tensor.Shape{1, tokens, c}, add, func(x []float32) rows64 {
			rows := toRows(x, c)
			n := rows.norm(a.Norm)
			if first {
				n = n.on(input)
			}
			o := n.linear(a.QKV, b1).heads(a.Heads)
			if second {
				o = o.on(act)
			}
			return rows.plus(o.linear(a.Proj, b2))
		}}
	}
	merging := func(l int8Layers) made {
		const side, c = 6, 9
		m := Merging{Name: "merge", Norm: l.norm(4 * c), Reduction: l.param("w", 0.2, 2*c, 4*c), Order: SwinOrder}
		m.Int8 = l.linear(m.Reduction, input)
		add := func(t *Tape, x *gorgonia.Node) (*gorgonia.Node, error) { return PatchMerge(t, x, m) }
		return made{tensor.Shape{2, side, side, c}, add, func(x []float32) rows64 {
			rows, merged := toRows(x, c), rows64(nil)
			for at := 0; at < len(rows); at += 2 * side {
				for i := 0; i < side; i += 2 {
					var row []float64
					for _, o := range m.Order {
						row = append(row, rows[at+o[0]*side+i+o[1]]...)
					}
					merged = append(merged, row)
				}
			}
			return merged.norm(m.Norm).on(input).linear(m.Reduction, m.Int8.Weight.Bias)
		}}
	}
	embed := func(l int8Layers, normed bool) made {
		const height, width, in, size, out = 11, 17, 3, 5, 40
		e := PatchEmbedding{Name: "embed", Weight: l.param("w", 0.2, out, in, size, size), Bias: l.param("b", 0.3, out)}
		if normed {
			e.Norm = l.norm(out)
		}
		e.Int8 = l.linear(e.Weight, input)
		add := func(t *Tape, x *gorgonia.Node) (*gorgonia.Node, error) { return PatchEmbed(t, x, e) }
		return made{tensor.Shape{2, height, width, in}, add, func(x []float32) rows64 {
			pixels, patches := toRows(x, in).on(input), rows64(nil)
			for image := range 2 {
				for y := range height / size {
					for z := range width / size {
						var row []float64
						for c := range in {
							for dy := range size {
								for dx := range size {
									row = append(row, pixels[(image*height+y*size+dy)*width+z*size+dx][c])
								}
							}
						}
						patches = append(patches, row)
					}
				}
			}
			y := patches.linear(e.Weight, e.Int8.Weight.Bias)
			if normed {
				y = y.norm(e.Norm)
			}
			return y
		}}
	}
	for _, test := range []struct {
		name string
		make func(l int8Layers) made
	}{
		{"MLP", func(l int8Layers) made { return mlp(l, true, true) }},
		{"MLP, fc1 alone", func(l int8Layers) made { return mlp(l, true, false) }},
		{"MLP, fc2 alone", func(l int8Layers) made { return mlp(l, false, true) }},
		{"attention", func(l int8Layers) made { return attention(l, true, true) }},
		{"attention, qkv alone", func(l int8Layers) made { return attention(l, true, false) }},
		{"attention, proj alone", func(l int8Layers) made { return attention(l, false, true) }},
		{"merging", merging},
		{"patches", func(l int8Layers) made { return embed(l, false) }},
		{"patches with a norm", func(l int8Layers) made { return embed(l, true) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := int8Layers{rand.New(rand.NewPCG(1, 2))}
			m := test.make(l)
			x := make([]float32, m.shape.TotalSize())
			for i := range x {
				x[i] = float32(l.r.NormFloat64())
			}
			want := m.want(x)
			for _, v := range kernels.Available() {
				k, err := kernels.New(v, "")
				if err != nil {
					t.Fatal(err)
				}
				var first []float32
				for _, threads := range []int{1, 2, 7} {
					got := evaluate(t, k, threads, x, m.shape, m.add)
					if first == nil {
						first = got
					}
					if !slices.Equal(got, first) {
						t.Errorf("%s: other bits on %d threads", v, threads)
					}
				}
				off, size, cols := 0.0, 0.0, len(want[0])
				for i, row := range want {
					for j, w := range row {
						d := float64(first[i*cols+j]) - w
						off, size = off+d*d, size+w*w
					}
				}
				// A value near the middle of two steps may be rounded to the other one.
				if e := math.Sqrt(off / size); !(e < 2e-3) {
					t.Errorf("%s: off by %.3g", v, e)
				}
			}
		})
	}
}

// Layers of 8 bits that do not fit are refused.
func TestInt8TokenErrors(t *testing.T) {
	l := int8Layers{rand.New(rand.NewPCG(1, 2))}
	const c = 8
	good := func() MLP {
		m := l.mlp(c, c)
		g := Grid{Scale: 1}
		m.Fc1Int8, m.Fc2Int8 = l.linear(m.Fc1, g), l.linear(m.Fc2, g)
		m.Fc1Int8.Out = &g
		return m
	}
	for _, test := range []struct {
		name   string
		train  bool
		change func(m *MLP)
		want   string
	}{
		{"training", true, func(*MLP) {}, "for evaluation"},
		{"another layer", false, func(m *MLP) { m.Fc1Int8.Weight = m.Fc2Int8.Weight }, "belongs to another layer"},
		{"a grid of 0", false, func(m *MLP) { m.Fc2Int8.In.Scale = 0 }, "fc2: its input: its scale is 0"},
		{
			"a grid of NaN", false, func(m *MLP) { m.Fc1Int8.Out = &Grid{Scale: float32(math.NaN())} },
			"fc1: its result: its scale is NaN",
		},
		{"no grid", false, func(m *MLP) { m.Fc1Int8.Out = nil }, "has no grid"},
	} {
		pool := kernels.NewPool(1)
		tape := NewTape(NewWorkspace(pool), test.train)
		m := good()
		test.change(&m)
		_, err := MLPBlock(tape, tape.Input("x", 1, 3, c), m)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
		pool.Close()
	}
}
