package ops

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

func TestProjectGradient(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		tokens, in, out int
		norm, gelu, up  bool
	}{
		{5, 8, 16, false, false, false},
		{70, 12, 7, true, false, false},
		{9, 12, 19, true, true, false},
		{9, 8, 5, false, false, true},
		{60, 12, 6, true, false, true},
		{9, 6, 4, true, true, true},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			everyVariant(t, func(t *testing.T, k *kernels.Set) {
				r := rand.New(rand.NewPCG(1, 2))
				h := newHarnessOn(t, k, 2, true)
				p := Projection{Name: "p", GELU: c.gelu, Up: c.up, Bias: h.param("bias", r, 0.3, c.out)}
				if c.up {
					p.Weight = h.param("weight", r, 0.3, c.in, c.out, 2, 2)
				} else {
					p.Weight = h.param("weight", r, 0.3, c.out, c.in, 1, 1)
				}
				if c.norm {
					p.Norm = h.layerNorm("norm", r, c.in)
				}
				out, err := Project(h.tape, h.input("x", r, 2, c.tokens, c.in), p)
				h.compile(out, err, "x")
				h.checkGradients(1e-2, 2e-2)
			})
		})
	}
}

// A transposed convolution equals its definition.
func TestProjectUpFormula(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	h := newHarness(t, 2, false)
	const tokens, in, outs = 7, 5, 3
	w, b := h.param("weight", r, 1, in, outs, 2, 2), h.param("bias", r, 1, outs)
	out, err := Project(h.tape, h.input("x", r, 1, tokens, in), Projection{Name: "p", Weight: w, Bias: b, Up: true})
	h.compile(out, err)
	h.run()
	x, y := h.inputs["x"].Float32s(), h.tape.Value(out)
	for i := range tokens {
		for tap := range 4 {
			for o := range outs {
				want := float64(b.Data()[o])
				for c := range in {
					want += float64(x[i*in+c]) * float64(w.Data()[(c*outs+o)*4+tap])
				}
				if got := float64(y[(i*4+tap)*outs+o]); got-want > 1e-5 || want-got > 1e-5 {
					t.Fatalf("token %d, pixel %d, channel %d: %v, want %v", i, tap, o, got, want)
				}
			}
		}
	}
}

func TestSelectTokensGradient(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	position := func(n int) []float32 {
		out := make([]float32, n)
		for i := range out {
			out[i] = r.Float32()
		}
		return out
	}
	for _, c := range []struct {
		name string
		s    Selection
	}{
		{"visible", Selection{Index: []int32{4, 0, 1, 5}, Shape: tensor.Shape{2, 2, 6}}},
		{"filled up", Selection{
			Index:    []int32{-1, 3, -1, 0, 5, -1, -1, -1},
			Shape:    tensor.Shape{2, 4, 6},
			Token:    new(Param),
			Position: position(24),
		}},
		{"by source", Selection{
			Index:    []int32{-1, 3, -1, 2},
			Shape:    tensor.Shape{2, 2, 6},
			Token:    new(Param),
			Position: position(36),
			BySource: true,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t, 2, true)
			c.s.Name, c.s.Images = c.name, 2
			if c.s.Token != nil {
				c.s.Token = h.param("token", r, 1, 1, 1, 6)
			}
			out, err := SelectTokens(h.tape, h.input("x", r, 2, 6, 6), c.s)
			h.compile(out, err, "x")
			h.checkGradients(1e-2, 1e-2)
		})
	}
}

func TestSelectTokensRefuses(t *testing.T) {
	for _, c := range []struct {
		want string
		s    Selection
	}{
		{"3 numbers", Selection{Index: []int32{0, 1, 2}, Images: 1, Shape: tensor.Shape{1, 2, 4}}},
		{"6 values", Selection{
			Index:    []int32{0, 1},
			Images:   1,
			Shape:    tensor.Shape{1, 2, 4},
			Position: make([]float32, 6),
		}},
		// three tokens of x for two images
		{"2 numbers ", Selection{Index: []int32{0, 1}, Images: 2, Shape: tensor.Shape{1, 2, 4}}},
	} {
		t.Run(c.want, func(t *testing.T) {
			h := newHarness(t, 1, false)
			c.s.Name = "s"
			_, err := SelectTokens(h.tape, h.input("x", rand.New(rand.NewPCG(1, 2)), 1, 3, 4), c.s)
			if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(c.want)) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	h := newHarness(t, 1, false)
	s := Selection{Name: "s", Index: []int32{0, 1}, Images: 1, Shape: tensor.Shape{1, 2, 4}}
	out, err := SelectTokens(h.tape, h.input("x", rand.New(rand.NewPCG(1, 2)), 1, 3, 4), s)
	h.compile(out, err)
	for _, bad := range []int32{3, -1, -2} {
		s.Index[1] = bad
		if err := h.tape.Run(h.machine); err == nil || !strings.Contains(err.Error(), "token 1 of image 0") {
			t.Errorf("number %d: %v", bad, err)
		}
	}
}

func TestAvgPoolTokensGradient(t *testing.T) {
	h := newHarness(t, 2, true)
	out, err := AvgPoolTokens(h.tape, "pool", h.input("x", rand.New(rand.NewPCG(1, 2)), 2, 1+4*6, 5), 1, 4, 6)
	h.compile(out, err, "x")
	h.checkGradients(1e-2, 1e-2)
}

// A value has two consumers, one of which branches off twice.
func TestBranchGradient(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	h := newHarness(t, 2, true)
	linear := func(name string, x *gorgonia.Node) *gorgonia.Node {
		n, err := Project(h.tape, x, Projection{
			Name:   name,
			Weight: h.param(name, r, 0.5, 6, 6),
			Bias:   h.param(name+".bias", r, 0.5, 6),
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	branch := func(name string, x *gorgonia.Node) (a, b *gorgonia.Node) {
		a, b, err := Branch(h.tape, name, x)
		if err != nil {
			t.Fatal(err)
		}
		return a, b
	}
	targets, weights := h.input("targets", r, 2, 3, 6), h.input("weights", r, 2, 3)
	for i := range h.inputs["weights"].Float32s() {
		h.inputs["weights"].Float32s()[i] = 0.25 * float32(i%4+1)
	}
	x := linear("first", h.input("x", r, 2, 3, 6))
	x, side1 := branch("1", x)
	x = linear("second", x)
	x, side2 := branch("2", x)
	x = linear("third", x)
	var list []Reconstruction
	for i, p := range []*gorgonia.Node{linear("a", side1), linear("b", side2), x} {
		list = append(list, Reconstruction{
			Name:       fmt.Sprint(i),
			Prediction: p,
			Target:     targets,
			Weight:     weights,
			Cells:      []int32{2, -1, 0},
		})
	}
	l, err := ReconstructionLoss(h.tape, list)
	if err != nil {
		t.Fatal(err)
	}
	h.compile(l.Loss, nil, "x")
	h.checkGradients(1e-2, 1e-2)
}

func TestReconstructionOfNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	h := newHarness(t, 1, false)
	p, targets, weights := h.input("p", r, 1, 2, 3), h.input("targets", r, 1, 2, 3), h.input("weights", r, 1, 2)
	clear(h.inputs["weights"].Float32s())
	l, err := ReconstructionLoss(h.tape, []Reconstruction{{
		Name:       "14×14",
		Prediction: p,
		Target:     targets,
		Weight:     weights,
		Cells:      []int32{0, 1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	h.compile(l.Loss, nil)
	if err := h.tape.Run(h.machine); err == nil || !strings.Contains(err.Error(), "14×14: no cell is masked") {
		t.Error(err)
	}
	if _, err := ReconstructionLoss(h.tape, []Reconstruction{{
		Name:       "q",
		Prediction: p,
		Target:     targets,
		Weight:     weights,
		Cells:      []int32{0, 2},
	}}); err == nil {
		t.Error("no error for a cell that does not exist")
	}
}

// Windows that are built again equal new windows, whether the images share them or not.
func TestRegroup(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ height, width, side, shift, tokens int }{
		{8, 8, 3, 1, 20},
		{7, 5, 7, 0, 11},
		{9, 6, 4, 2, 54},
	} {
		for _, same := range []bool{true, false} {
			const images = 3
			w := VisibleWindows(images, c.tokens, [2]int{c.height, c.width}, c.side)
			for range 3 {
				var rows, cols []int32
				var list []Window
				cells := map[[3]int]*Window{}
				var order [][3]int
				for image := range images {
					for i, p := range r.Perm(c.height * c.width)[:c.tokens] {
						if image == 0 || !same {
							rows, cols = append(rows, int32(p/c.width)), append(cols, int32(p%c.width))
						}
						at := i
						if !same {
							at += image * c.tokens
						}
						y, x := int(rows[at]), int(cols[at])
						k := (c.side - c.shift) % c.side
						key := [3]int{image, (y + k) / c.side, (x + k) / c.side}
						if cells[key] == nil {
							cells[key] = &Window{}
							order = append(order, key)
						}
						v := cells[key]
						v.Tokens = append(v.Tokens, image*c.tokens+i)
						v.Rows = append(v.Rows, y)
						v.Cols = append(v.Cols, x)
					}
				}
				for _, key := range order {
					list = append(list, *cells[key])
				}
				want, err := NewWindows(images*c.tokens, c.side, list)
				if err != nil {
					t.Fatal(err)
				}
				if n := testing.AllocsPerRun(1, func() { err = w.Regroup(rows, cols, c.shift) }); err != nil || n > 0 {
					t.Fatalf("%v, %v allocations", err, n)
				}
				describe := func(w *Windows) (out []string) {
					for _, v := range w.list {
						out = append(out, fmt.Sprint(v.tokens, v.runs, v.codes))
					}
					slices.Sort(out)
					return out
				}
				if a, b := describe(w), describe(want); !slices.Equal(a, b) {
					t.Fatalf("%+v: windows\n%v\nwant\n%v", c, strings.Join(a, "\n"), strings.Join(b, "\n"))
				}
				if w.longest < want.longest || w.count() < len(want.list) {
					t.Errorf("%+v: room for %d windows of %d, there are %d of %d",
						c, w.count(), w.longest, len(want.list), want.longest)
				}
			}
		}
	}
	w := VisibleWindows(1, 2, [2]int{4, 4}, 2)
	if w.Regroup([]int32{0, 4}, []int32{0, 0}, 0) == nil || w.Regroup([]int32{0}, []int32{0}, 0) == nil {
		t.Error("no error for places outside the grid, or too few")
	}
}
