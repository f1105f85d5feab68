package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// harness runs a small graph: inputs → op → Σ result·weights. The gradient of this scalar by the
// result is the weights.
type harness struct {
	t       *testing.T
	tape    *Tape
	inputs  map[string]*tensor.Dense
	nodes   map[string]*gorgonia.Node
	params  []*Param
	machine gorgonia.VM
	result  *gorgonia.Node
	loss    float64 // in float64, for differences of it
	grads   map[string]*gorgonia.Node
	running map[string]*BatchNorm
}

func newHarness(t *testing.T, workers int, train bool) *harness {
	return newHarnessOn(t, kernels.Default(), workers, train)
}

func newHarnessOn(t *testing.T, k *kernels.Set, workers int, train bool) *harness {
	return newHarnessPool(t, k.NewPool(workers), train)
}

func newHarnessPool(t *testing.T, pool *kernels.Pool, train bool) *harness {
	t.Cleanup(pool.Close)
	return &harness{
		t:       t,
		tape:    NewTape(NewWorkspace(pool), train),
		inputs:  map[string]*tensor.Dense{},
		nodes:   map[string]*gorgonia.Node{},
		grads:   map[string]*gorgonia.Node{},
		running: map[string]*BatchNorm{},
	}
}

func (h *harness) input(name string, r *rand.Rand, shape ...int) *gorgonia.Node {
	n := h.tape.Input(name, shape...)
	d := newDense(shape)
	for i := range d.Float32s() {
		d.Float32s()[i] = float32(r.NormFloat64())
	}
	h.inputs[name], h.nodes[name] = d, n
	if err := gorgonia.Let(n, d); err != nil {
		h.t.Fatal(err)
	}
	return n
}

func (h *harness) param(name string, r *rand.Rand, scale float64, shape ...int) *Param {
	p := NewParam(name, shape...)
	for i := range p.Data() {
		p.Data()[i] = float32(scale * r.NormFloat64())
	}
	p.Changed()
	h.params = append(h.params, p)
	return p
}

func (h *harness) norm(name string, r *rand.Rand, c int) *BatchNorm {
	bn := &BatchNorm{Weight: h.param(name+".weight", r, 0.3, c), Bias: h.param(name+".bias", r, 0.3, c),
		RunningMean: make([]float32, c), RunningVar: make([]float32, c), Tracked: new(int64), Eps: 1e-5, Momentum: 0.1}
	for i := range bn.RunningVar {
		bn.Weight.Data()[i]++
		bn.RunningMean[i] = float32(0.2 * r.NormFloat64())
		bn.RunningVar[i] = 0.5 + r.Float32()
	}
	h.running[name] = bn
	return bn
}

// compile closes the graph; wrt names the inputs that get a gradient.
func (h *harness) compile(out *gorgonia.Node, err error, wrt ...string) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
	loss := out
	if out.Shape().Dims() > 0 {
		r := rand.New(rand.NewPCG(9, 9))
		w := newDense(out.Shape())
		for i := range w.Float32s() {
			w.Float32s()[i] = float32(r.NormFloat64())
		}
		loss, err = h.tape.Record(Spec{
			Kind:   "WeightedSum",
			Name:   "test",
			Inputs: gorgonia.Nodes{out},
			WRT:    []bool{true},
			Shape:  tensor.ScalarShape(),
			Run: func(in [][]float32, o []float32) error {
				h.loss = 0
				for i, v := range in[0] {
					h.loss += float64(v) * float64(w.Float32s()[i])
				}
				o[0] = float32(h.loss)
				return nil
			},
			Grad: func(_, g *gorgonia.Node) (gorgonia.Nodes, error) {
				n, err := h.tape.Record(Spec{
					Kind:   "Weights",
					Name:   "test",
					Inputs: gorgonia.Nodes{g},
					Shape:  out.Shape().Clone(),
					Run: func(in [][]float32, o []float32) error {
						copy(o, w.Float32s())
						return nil
					},
				})
				return gorgonia.Nodes{n}, err
			},
		})
		if err != nil {
			h.t.Fatal(err)
		}
		h.tape.Keep(out)
	}
	if h.tape.Train {
		var targets gorgonia.Nodes
		for _, p := range h.params {
			targets = append(targets, h.tape.Param(p))
		}
		for _, name := range wrt {
			targets = append(targets, h.nodes[name])
		}
		grads, err := gorgonia.Grad(loss, targets...)
		if err != nil {
			h.t.Fatal(err)
		}
		for i, name := range wrt {
			h.grads[name] = grads[len(h.params)+i]
			h.tape.Keep(h.grads[name])
		}
	}
	if err := h.tape.Plan(); err != nil {
		h.t.Fatal(err)
	}
	h.machine = h.tape.NewMachine()
	h.result = out
}

func (h *harness) run() float64 {
	h.t.Helper()
	for _, p := range h.params {
		p.Grad.Zero()
	}
	if err := h.tape.Run(h.machine); err != nil {
		h.t.Fatal(err)
	}
	if h.result.Shape().Dims() == 0 {
		h.loss = float64(h.tape.Value(h.result)[0])
	}
	return h.loss
}

// checkGradients compares the gradients with central differences.
func (h *harness) checkGradients(step, tolerance float64) {
	markChecked(h.tape)
	h.t.Helper()
	h.run()
	type target struct {
		name    string
		data    []float32
		grad    []float32
		changed func()
	}
	var targets []target
	for _, p := range h.params {
		targets = append(targets, target{p.Name, p.Data(), append([]float32(nil), p.GradData()...), p.Changed})
	}
	for name, n := range h.grads {
		grad := append([]float32(nil), h.tape.Value(n)...)
		targets = append(targets, target{name, h.inputs[name].Float32s(), grad, func() {}})
	}
	r := rand.New(rand.NewPCG(5, 5))
	for _, tg := range targets {
		var top float64
		for _, g := range tg.grad {
			top = max(top, math.Abs(float64(g)))
		}
		if top == 0 {
			h.t.Errorf("%s: the gradient is zero", tg.name)
		}
		for range 25 {
			i := r.IntN(len(tg.data))
			old := tg.data[i]
			tg.data[i] = old + float32(step)
			tg.changed()
			up := h.run()
			tg.data[i] = old - float32(step)
			tg.changed()
			down := h.run()
			width := float64(old+float32(step)) - float64(old-float32(step))
			tg.data[i] = old
			tg.changed()
			want := (up - down) / width
			if math.Abs(want-float64(tg.grad[i])) > tolerance*top {
				h.t.Errorf("%s[%d]: gradient %v, central difference %v (largest of the tensor %v)",
					tg.name, i, tg.grad[i], want, top)
			}
		}
	}
}

func everyVariant(t *testing.T, f func(t *testing.T, k *kernels.Set)) {
	t.Helper()
	for _, v := range kernels.Available() {
		k, err := kernels.New(v, "")
		if err != nil {
			t.Fatal(err)
		}
		t.Run(string(v), func(t *testing.T) { f(t, k) })
	}
}

func (h *harness) block(
	r *rand.Rand,
	batch, height, width, c, partial, hidden int,
	act kernels.Activation,
	scaled, keep bool,
) {
	x := h.input("x", r, batch, height, width, c)
	b := Block{
		Name:  "block",
		PConv: h.param("pconv", r, 0.3, partial, partial, 3, 3),
		Conv1: h.param("conv1", r, 0.3, hidden, c, 1, 1),
		Norm:  h.norm("norm", r, hidden),
		Act:   act,
		Conv2: h.param("conv2", r, 0.3, c, hidden, 1, 1),
	}
	if scaled {
		b.LayerScale = h.param("layer_scale", r, 1, c)
	}
	if keep {
		b.Keep = h.input("keep", r, batch)
		for i := range h.inputs["keep"].Float32s() {
			h.inputs["keep"].Float32s()[i] = []float32{1.25, 0, 1.25, 1.25}[i%4]
		}
	}
	out, err := FasterNetBlock(h.tape, x, b)
	h.compile(out, err, "x")
}

func TestBlockGradient(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		batch, height, width, c, partial, hidden int
		act                                      kernels.Activation
		scaled, keep                             bool
	}{
		{2, 5, 4, 8, 2, 16, kernels.GELU, false, false},
		{3, 7, 7, 12, 3, 20, kernels.GELU, false, true},
		{5, 1, 1, 6, 2, 10, kernels.GELU, true, false},
		{2, 9, 11, 20, 5, 40, kernels.GELU, true, true},
		{1, 16, 16, 8, 8, 16, kernels.GELU, false, false},   // all channels convolved
		{8, 8, 8, 104, 26, 160, kernels.GELU, false, false}, // two spans for each image, and one image for each run
		// three spans for each image; runs with whole images and with parts
		{7, 8, 8, 104, 26, 160, kernels.GELU, true, true},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			everyVariant(t, func(t *testing.T, k *kernels.Set) {
				if c.c > 100 && k.Variant() == kernels.Go {
					t.Skip("takes 10 s")
				}
				for _, gradients := range []string{"by rows", "by outputs"} {
					t.Run(gradients, func(t *testing.T) {
						h := newHarnessOn(t, k, 2, true)
						if gradients == "by outputs" {
							h.tape.rowsWeight = 0
						}
						h.block(
							rand.New(rand.NewPCG(1, 2)), c.batch, c.height, c.width, c.c, c.partial,
							c.hidden, c.act, c.scaled, c.keep,
						)
						h.checkGradients(1e-2, 2e-2)
					})
				}
			})
		})
	}
}

// At the kink of ReLU, central differences are wrong. So the steps are small, and the function is
// linear nearly everywhere.
func TestBlockGradientReLU(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, k *kernels.Set) {
		h := newHarnessOn(t, k, 2, true)
		h.block(rand.New(rand.NewPCG(1, 2)), 2, 3, 3, 8, 2, 8, kernels.ReLU, false, false)
		h.checkGradients(1e-3, 5e-2)
	})
}

func TestPatchConvGradient(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ batch, height, width, in, out, size, stride int }{
		{2, 8, 8, 3, 5, 4, 4},
		{3, 9, 7, 4, 8, 2, 2},   // a remainder on both sides
		{2, 7, 7, 3, 4, 3, 2},   // overlap
		{2, 9, 9, 3, 4, 2, 3},   // gaps
		{1, 4, 32, 3, 20, 2, 2}, // lines longer than a tile
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			everyVariant(t, func(t *testing.T, k *kernels.Set) {
				for _, rowsWeight := range []int{rowsWeight, 0} { // divided by rows, and by outputs
					r := rand.New(rand.NewPCG(1, 2))
					h := newHarnessOn(t, k, 2, true)
					h.tape.rowsWeight = rowsWeight
					x := h.input("x", r, c.batch, c.height, c.width, c.in)
					out, err := PatchConvNorm(h.tape, x, PatchConv{
						Name:   "embed",
						Weight: h.param("weight", r, 0.3, c.out, c.in, c.size, c.size),
						Stride: c.stride,
						Norm:   h.norm("norm", r, c.out),
					})
					h.compile(out, err, "x")
					h.checkGradients(1e-2, 2e-2)
				}
			})
		})
	}
}

func TestFirstLayerGradient(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	h := newHarness(t, 2, true)
	x := h.input("x", r, 2, 8, 8, 3)
	out, err := PatchConvNorm(h.tape, x, PatchConv{
		Name:        "embed",
		Weight:      h.param("weight", r, 0.3, 5, 3, 4, 4),
		Stride:      4,
		Norm:        h.norm("norm", r, 5),
		NoInputGrad: true,
	})
	h.compile(out, err)
	h.checkGradients(1e-2, 2e-2)
}

func TestHeadGradients(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, k *kernels.Set) {
		r := rand.New(rand.NewPCG(1, 2))
		t.Run("pool", func(t *testing.T) {
			h := newHarnessOn(t, k, 2, true)
			out, err := GlobalAvgPool(h.tape, "pool", h.input("x", r, 3, 2, 5, 7))
			h.compile(out, err, "x")
			h.checkGradients(1e-2, 1e-3)
		})
		t.Run("activation", func(t *testing.T) {
			h := newHarnessOn(t, k, 2, true)
			out, err := Activate(h.tape, "act", h.input("x", r, 3, 37), kernels.GELU)
			h.compile(out, err, "x")
			h.checkGradients(1e-2, 1e-3)
		})
		for _, bias := range []bool{true, false} {
			t.Run(fmt.Sprint("linear/bias=", bias), func(t *testing.T) {
				h := newHarnessOn(t, k, 2, true)
				x := h.input("x", r, 5, 21)
				w := h.param("weight", r, 0.3, 33, 21)
				var b *Param
				if bias {
					b = h.param("bias", r, 0.3, 33)
				}
				out, err := Linear(h.tape, "linear", x, w, b)
				h.compile(out, err, "x")
				h.checkGradients(1e-2, 1e-3)
			})
		}
		t.Run("cross entropy", func(t *testing.T) {
			h := newHarnessOn(t, k, 2, true)
			x, y := h.input("x", r, 4, 9), h.input("targets", r, 4, 9)
			for i, v := range h.inputs["targets"].Float32s() {
				h.inputs["targets"].Float32s()[i] = v * v / 9
			}
			out, err := SoftmaxCrossEntropy(h.tape, x, y)
			h.compile(out, err, "x")
			h.checkGradients(3e-2, 1e-2)
		})
	})
}
