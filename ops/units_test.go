package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// mask is a grid of units of an image, with the visible ones in an order of its own.
type mask struct {
	rows, cols int
	kept       []int // in the order of the units
}

// neighbours returns the table for some masked images of one grid.
func neighbours(masks []mask) []int32 {
	var table []int32
	first := 0
	for _, m := range masks {
		at := map[int]int{}
		for i, u := range m.kept {
			at[u] = first + i
		}
		for _, u := range m.kept {
			for place := range 9 {
				y, x := u/m.cols+place/3-1, u%m.cols+place%3-1
				unit, ok := at[y*m.cols+x]
				switch {
				case place == centre:
				case ok && y >= 0 && x >= 0 && y < m.rows && x < m.cols:
					table = append(table, int32(unit))
				default:
					table = append(table, -1)
				}
			}
		}
		first += len(m.kept)
	}
	return table
}

func units(masks []mask) (n int) {
	for _, m := range masks {
		n += len(m.kept)
	}
	return n
}

// Two images: one with single units, one with a block and lines.
var someMasks = []mask{{3, 4, []int{0, 1, 5, 7, 10, 11}}, {3, 4, []int{6, 2, 1, 9, 5, 4}}}

// unitBlock adds a block on units of height×width pixels.
func (h *harness) unitBlock(r *rand.Rand, masks []mask, height, width, c, partial, hidden int, around bool) {
	x := h.input("x", r, units(masks), height, width, c)
	u := &Units{}
	if around {
		u.Neighbours = neighbours(masks)
	}
	if err := u.Check(); err != nil {
		h.t.Fatal(err)
	}
	out, err := FasterNetBlock(h.tape, x, Block{
		Name:  "block",
		PConv: h.param("pconv", r, 0.3, partial, partial, 3, 3),
		Conv1: h.param("conv1", r, 0.3, hidden, c, 1, 1),
		Norm:  h.norm("norm", r, hidden),
		Act:   kernels.GELU,
		Conv2: h.param("conv2", r, 0.3, c, hidden, 1, 1),
		Units: u,
	})
	h.compile(out, err, "x")
}

func TestUnitBlockGradient(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ height, width int }{{1, 1}, {2, 2}, {1, 3}, {3, 3}, {4, 4}, {5, 3}, {8, 8}} {
		for _, around := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d×%d, around %v", c.height, c.width, around), func(t *testing.T) {
				everyVariant(t, func(t *testing.T, k *kernels.Set) {
					for _, rowsWeight := range []int{rowsWeight, 0} {
						h := newHarnessOn(t, k, 2, true)
						h.tape.rowsWeight = rowsWeight
						h.unitBlock(rand.New(rand.NewPCG(1, 2)), someMasks, c.height, c.width, 8, 3, 14, around)
						h.checkGradients(1e-2, 2e-2)
					}
				})
			})
		}
	}
}

// A block on visible units equals a block on whole images that are zero elsewhere, whose norm sees
// only visible pixels.
func TestUnitBlock(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ height, width int }{{1, 1}, {2, 2}, {4, 2}, {3, 5}, {8, 8}} {
		for _, around := range []bool{true, false} {
			for _, train := range []bool{true, false} {
				t.Run(fmt.Sprintf(
					"%d×%d, around %v, training %v", c.height, c.width, around, train,
				), func(t *testing.T) {
					h := newHarness(t, 2, train)
					h.unitBlock(rand.New(rand.NewPCG(1, 2)), someMasks, c.height, c.width, 8, 3, 14, around)
					h.run()
					want := h.maskedBlock(someMasks, c.height, c.width, around)
					for i, v := range h.tape.Value(h.result) {
						if math.Abs(float64(v)-want[i]) > 1e-5*(1+math.Abs(want[i])) {
							t.Fatalf("value %d is %v, want %v", i, v, want[i])
						}
					}
				})
			}
		}
	}
}

// maskedBlock computes the block of the harness in float64, pixel by pixel.
func (h *harness) maskedBlock(masks []mask, height, width int, around bool) []float64 {
	x := h.inputs["x"].Float32s()
	var out []float64
	for row, v := range h.activated(pixelsOf(masks, height, width), height, width, around) {
		c := len(h.weight("conv2")) / len(v)
		for i, w := range product64(v, h.weight("conv2"), c) {
			out = append(out, w+float64(x[row*c+i]))
		}
	}
	return out
}

// pixel is a pixel of an image.
type pixel struct{ image, y, x int }

// pixelsOf returns the pixels of visible units in their order.
func pixelsOf(masks []mask, height, width int) (all []pixel) {
	for image, m := range masks {
		for _, u := range m.kept {
			for p := range height * width {
				all = append(all, pixel{image, u/m.cols*height + p/width, u%m.cols*width + p%width})
			}
		}
	}
	return all
}

func (h *harness) weight(name string) []float32 {
	return h.params[slices.IndexFunc(h.params, func(p *Param) bool { return p.Name == name })].Data()
}

// activated computes the hidden map of the harness's block after the activation, in float64. Pixels
// outside of a unit of height×width are zero if it sees no neighbours.
func (h *harness) activated(places []pixel, height, width int, around bool) [][]float64 {
	x, rows := h.inputs["x"].Float32s(), map[pixel]int{}
	for row, at := range places {
		rows[at] = row
	}
	pconv, conv1 := h.weight("pconv"), h.weight("conv1")
	partial, c := int(math.Sqrt(float64(len(pconv)/9))), len(x)/len(places)
	hidden := make([][]float64, len(places))
	for row, at := range places {
		u := make([]float64, c)
		for i := range u {
			u[i] = float64(x[row*c+i])
		}
		for o := range partial {
			u[o] = 0
			for tap := range 9 {
				to := pixel{at.image, at.y + tap/3 - 1, at.x + tap%3 - 1}
				source, ok := rows[to]
				same := at.y/height == to.y/height && at.x/width == to.x/width && to.y >= 0 && to.x >= 0
				if !ok || !around && !same {
					continue
				}
				for i := range partial {
					u[o] += float64(x[source*c+i]) * float64(pconv[(o*partial+i)*9+tap])
				}
			}
		}
		hidden[row] = product64(u, conv1, len(conv1)/c)
	}
	for j := range hidden[0] {
		mean, variance := h.moments(hidden, j)
		gamma, beta := float64(h.weight("norm.weight")[j]), float64(h.weight("norm.bias")[j])
		for _, v := range hidden {
			z := (v[j]-mean)/math.Sqrt(variance+1e-5)*gamma + beta
			v[j] = z * 0.5 * (1 + math.Erf(z/math.Sqrt2))
		}
	}
	return hidden
}

// moments returns the statistics that the norm of the harness uses for column j.
func (h *harness) moments(rows [][]float64, j int) (mean, variance float64) {
	if !h.tape.Train {
		n := h.running["norm"]
		return float64(n.RunningMean[j]), float64(n.RunningVar[j])
	}
	n := float64(len(rows))
	for _, v := range rows {
		mean += v[j] / n
	}
	for _, v := range rows {
		variance += (v[j] - mean) * (v[j] - mean) / n
	}
	return mean, variance
}

func product64(x []float64, w []float32, n int) []float64 {
	y := make([]float64, n)
	for o := range y {
		for i, v := range x {
			y[o] += v * float64(w[o*len(x)+i])
		}
	}
	return y
}

// With all units visible, a block gives the results and gradients of whole images.
func TestAllUnitsAreTheWholeImage(t *testing.T) {
	t.Parallel()
	const c, partial, hidden = 8, 3, 14
	for _, side := range []int{1, 2, 4, 8} {
		for _, precision := range []kernels.Precision{kernels.FP32, kernels.BF16} {
			t.Run(fmt.Sprint(side, precision), func(t *testing.T) {
				if kernels.Default().BF16() == "" && precision == kernels.BF16 {
					t.Skip("no bf16")
				}
				all := mask{2, 3, []int{4, 0, 2, 1, 3, 5}}
				masks := []mask{all, all}
				order := func(row int) int { // of a row of units in whole images
					pixel, unit := row%(side*side), row/(side*side)
					u, image := all.kept[unit%6], unit/6
					return (image*2*side+u/3*side+pixel/side)*3*side + u%3*side + pixel%side
				}
				run := func(whole bool) *harness {
					h := newHarness(t, 2, true)
					h.tape.Precision = precision
					r := rand.New(rand.NewPCG(1, 2))
					shape := []int{units(masks), side, side, c}
					b := Block{Name: "block", Act: kernels.GELU, Units: &Units{Neighbours: neighbours(masks)}}
					if whole {
						shape, b.Units = []int{2, 2 * side, 3 * side, c}, nil
					}
					x := h.input("x", r, shape...)
					b.PConv = h.param("pconv", r, 0.3, partial, partial, 3, 3)
					b.Conv1 = h.param("conv1", r, 0.3, hidden, c, 1, 1)
					b.Norm = h.norm("norm", r, hidden)
					b.Conv2 = h.param("conv2", r, 0.3, c, hidden, 1, 1)
					out, err := FasterNetBlock(h.tape, x, b)
					if err == nil { // a loss whose weights follow the pixels
						out, err = placed(h.tape, out, whole, order)
					}
					h.compile(out, err, "x")
					if whole {
						from := slices.Clone(h.inputs["x"].Float32s())
						for row := range len(from) / c {
							copy(h.inputs["x"].Float32s()[order(row)*c:][:c], from[row*c:])
						}
					}
					h.run()
					return h
				}
				units, whole := run(false), run(true)
				tolerance := 1e-5
				if precision == kernels.BF16 {
					tolerance = 1e-2 // sums are rounded to bf16 at different points
				}
				compare := func(what string, got, want []float32) {
					t.Helper()
					top := 0.0
					for _, v := range want {
						top = max(top, math.Abs(float64(v)))
					}
					for i, v := range got {
						if math.Abs(float64(v-want[i])) > tolerance*top {
							t.Fatalf("%s[%d] is %v, want %v", what, i, v, want[i])
						}
					}
				}
				compare("result", units.tape.Value(units.result), whole.tape.Value(whole.result))
				for i, p := range units.params {
					compare(p.Name, p.GradData(), whole.params[i].GradData())
				}
				dx, dense := units.tape.Value(units.grads["x"]), whole.tape.Value(whole.grads["x"])
				for row := range len(dx) / c {
					compare(fmt.Sprint("dx of row ", row), dx[row*c:][:c], dense[order(row)*c:][:c])
				}
			})
		}
	}
}

// placed reorders the rows of whole images by units.
func placed(t *Tape, x *gorgonia.Node, whole bool, order func(int) int) (*gorgonia.Node, error) {
	s := x.Shape()
	if !whole {
		return x, nil
	}
	c := s[3]
	move := func(in [][]float32, out []float32, back bool) {
		for row := range len(out) / c {
			from, to := order(row), row
			if back {
				from, to = to, from
			}
			copy(out[to*c:][:c], in[0][from*c:][:c])
		}
	}
	return t.Record(Spec{
		Kind: "Placed", Name: "test", Inputs: gorgonia.Nodes{x}, WRT: []bool{true}, Shape: s.Clone(),
		Run: func(in [][]float32, out []float32) error {
			move(in, out, false)
			return nil
		},
		Grad: func(_, dy *gorgonia.Node) (gorgonia.Nodes, error) {
			n, err := t.Record(Spec{
				Kind:   "PlacedGrad",
				Name:   "test",
				Inputs: gorgonia.Nodes{dy},
				Shape:  s.Clone(),
				Run: func(in [][]float32, out []float32) error {
					move(in, out, true)
					return nil
				},
			})
			return gorgonia.Nodes{n}, err
		},
	})
}

// The list of neighbours must have units of the map, and be symmetric.
func TestUnitsErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		list []int32
		want string
	}{
		{"no such unit", append([]int32{2}, slices.Repeat([]int32{-1}, 15)...),
			"unit 0 has unit 2 as a neighbour, but there are 2 units"},
		{"one way", append([]int32{1}, slices.Repeat([]int32{-1}, 15)...), "not the other way round"},
		{"another way back", []int32{-1, -1, -1, -1, 1, -1, -1, -1, -1, -1, -1, -1, 0, -1, -1, -1},
			"not the other way round"},
		{"side by side", []int32{-1, -1, -1, -1, 1, -1, -1, -1, -1, -1, -1, 0, -1, -1, -1, -1}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := (&Units{Neighbours: c.list}).Check()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	h := newHarness(t, 1, true)
	r := rand.New(rand.NewPCG(1, 2))
	_, err := FasterNetBlock(h.tape, h.input("x", r, 3, 2, 2, 4), Block{
		Name:  "block",
		PConv: h.param("pconv", r, 1, 1, 1, 3, 3),
		Conv1: h.param("conv1", r, 1, 8, 4, 1, 1),
		Norm:  h.norm("norm", r, 8),
		Conv2: h.param("conv2", r, 1, 4, 8, 1, 1),
		Act:   kernels.GELU,
		Units: &Units{Neighbours: make([]int32, 16)},
	})
	if err == nil || !strings.Contains(err.Error(), "16 numbers of neighbours for 3 units: want 8 for each") {
		t.Errorf("got %v", err)
	}
}

// Gathered patches of units give the results and the gradients of single products.
func TestGatheredPatches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		side, size, in, out int
		gathered            bool
	}{
		{2, 2, 5, 9, true},
		{4, 2, 3, 7, true},
		{8, 2, 4, 8, true},
		{6, 3, 2, 5, true},
		{16, 2, 3, 4, false},
		{5, 2, 3, 4, false},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			everyVariant(t, func(t *testing.T, k *kernels.Set) {
				run := func(units, train bool) *harness {
					r := rand.New(rand.NewPCG(1, 2))
					h := newHarnessOn(t, k, 2, train)
					x := h.input("x", r, 7, c.side, c.side, c.in)
					p := PatchConv{
						Name:   "merge",
						Weight: h.param("weight", r, 0.3, c.out, c.in, c.size, c.size),
						Stride: c.size,
						Norm:   h.norm("norm", r, c.out),
						Units:  units,
					}
					out, err := PatchConvNorm(h.tape, x, p)
					if train {
						h.compile(out, err, "x")
					} else {
						h.compile(out, err)
					}
					h.run()
					return h
				}
				if f, err := newPatchConv(NewTape(
					NewWorkspace(kernels.Default().NewPool(1)), false,
				), gorgonia.NewTensor(
					gorgonia.NewGraph(), tensor.Float32, 4, gorgonia.WithShape(7, c.side, c.side, c.in),
				), PatchConv{
					Weight: NewParam("weight", c.out, c.in, c.size, c.size),
					Bias:   NewParam("bias", c.out),
					Stride: c.size,
					Units:  true,
				}); err != nil || f.gather != c.gathered {
					t.Fatalf("gathered: %v, %v", f.gather, err)
				}
				same := func(what string, got, want []float32) {
					t.Helper()
					for i, v := range got {
						if math.Abs(float64(v-want[i])) > 1e-5*(1+math.Abs(float64(want[i]))) {
							t.Fatalf("%s[%d] is %v, want %v", what, i, v, want[i])
						}
					}
				}
				got, want := run(true, false), run(false, false)
				same("result of evaluation", got.tape.Value(got.result), want.tape.Value(want.result))
				got, want = run(true, true), run(false, true)
				same("result", got.tape.Value(got.result), want.tape.Value(want.result))
				same("dx", got.tape.Value(got.grads["x"]), want.tape.Value(want.grads["x"]))
				for i, p := range got.params {
					same(p.Name, p.GradData(), want.params[i].GradData())
				}
				got.checkGradients(1e-2, 2e-2)
			})
		})
	}
}

// CutUnits copies the visible squares, pixel by pixel.
func TestCutUnits(t *testing.T) {
	const batch, side, channels = 2, 3, 2
	kept := []int32{5, 0, 3, 3, 1, 2}
	h := newHarness(t, 2, false)
	x := h.input("x", rand.New(rand.NewPCG(1, 2)), batch, 2*side, 3*side, channels)
	out, err := CutUnits(h.tape, "units", x, kept, side)
	h.compile(out, err)
	h.run()
	in, got := h.inputs["x"].Float32s(), h.tape.Value(out)
	for n, u := range kept {
		for i := range side * side * channels {
			y, at := int(u)/3*side+i/channels/side, int(u)%3*side+i/channels%side
			if want := in[((n/3*2*side+y)*3*side+at)*channels+i%channels]; got[n*side*side*channels+i] != want {
				t.Fatalf("unit %d, value %d: %v, want %v", n, i, got[n*side*side*channels+i], want)
			}
		}
	}
	kept[4] = 6
	if err := h.tape.Run(h.machine); err == nil ||
		!strings.Contains(err.Error(), "square 1 of image 1 is number 6 of 6") {
		t.Errorf("got %v", err)
	}
	for _, n := range []int{0, 5} {
		if _, err := CutUnits(h.tape, "units", x, make([]int32, n), side); err == nil {
			t.Errorf("%d squares of %d images give no error", n, batch)
		}
	}
	if _, err := CutUnits(h.tape, "units", x, kept, 4); err == nil {
		t.Error("squares of 4 pixels divide 6 or 9")
	}
}

func TestReshape(t *testing.T) {
	h := newHarness(t, 2, true)
	r := rand.New(rand.NewPCG(1, 2))
	x, err := Project(h.tape, h.input("x", r, 3, 4, 6), Projection{
		Name:   "before",
		Weight: h.param("w", r, 1, 5, 6),
		Bias:   h.param("b", r, 1, 5),
	})
	if err != nil {
		t.Fatal(err)
	}
	if x, err = Reshape(h.tape, "reshaped", x, 1, 3, 20); err != nil {
		t.Fatal(err)
	}
	out, err := Project(h.tape, x, Projection{
		Name:   "after",
		Weight: h.param("v", r, 1, 2, 20),
		Bias:   h.param("c", r, 1, 2),
	})
	h.compile(out, err, "x")
	h.checkGradients(1e-2, 1e-2)
	if _, err := Reshape(h.tape, "reshaped", x, 3, 21); err == nil {
		t.Error("60 values have become 63")
	}
}
