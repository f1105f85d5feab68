package ops

import (
	"fmt"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
)

// int8MLP is an [MLP] for evaluation with layers of 8 bits. If both layers have 8 bits, the hidden layer
// is bytes, and GELU is a table. As in [mlpBlock], a block of rows goes through all of it while it is in
// the cache. If there are few rows, the two products are divided by columns too.
type int8MLP struct {
	MLP
	tape     *Tape
	shape    tokenShape
	cut      [][2]int
	norm     *rowNorm
	fc1, fc2 *int8Layer   // nil for a layer of float32
	w1, w2   *layerWeight // nil for a layer of 8 bits
	ones     []float32    // one for each hidden column
	zeros    []float32
	table    func() ([]uint8, error) // GELU between layers of 8 bits, or nil

	// Set if products are divided by columns.
	up, down    grid
	normed, act plannedBytes

	x, y  kernels.Matrix // of the current run
	tasks struct{ infer, mixed, round, expand, contract func(worker, i int) }
}

func mlpInt8(t *Tape, x *gorgonia.Node, m MLP) (*gorgonia.Node, error) {
	f, err := newInt8MLP(t, x, m)
	if err != nil {
		return nil, fmt.Errorf("ops: MLP %q: %w", m.Name, err)
	}
	uses := f.norm.uses()
	if f.normed.buf != nil {
		uses = append(uses, f.normed.buf, f.act.buf)
	}
	return t.recordLayer(Spec{
		Kind:  KindMLPBlock,
		About: m,
		Name:  m.Name,
		Cost:  product(f.shape.rows, f.hidden+f.shape.channels, m.Fc1, m.Fc2),
		Shape: f.shape.shape,
		Uses:  uses,
		Run:   f.forward,
	}, x, []*Param{m.Norm.Weight, m.Norm.Bias, m.Fc1, m.Fc1Bias, m.Fc2, m.Fc2Bias}, nil)
}

func newInt8MLP(t *Tape, x *gorgonia.Node, m MLP) (*int8MLP, error) {
	shape, err := shapeOfTokens(x)
	if err != nil {
		return nil, err
	}
	if m.Keep != nil {
		return nil, fmt.Errorf("layers of 8 bits are for evaluation")
	}
	if err := m.check(shape.channels); err != nil {
		return nil, err
	}
	c, hidden := shape.channels, m.Fc1.Shape()[0]
	m.hidden, m.channels = hidden, c
	f := &int8MLP{MLP: m, tape: t, shape: shape, cut: t.rowBlocks(shape.rows)}
	f.norm = t.newRowNorm(m.Norm, shape.rows, nil)
	if f.fc1, err = t.newInt8Layer(m.Fc1Int8, m.Fc1); err != nil {
		return nil, err
	}
	if f.fc2, err = t.newInt8Layer(m.Fc2Int8, m.Fc2); err != nil {
		return nil, err
	}
	if f.fc1 != nil && f.fc1.Out == nil {
		return nil, fmt.Errorf("%s: its result has no grid", m.Fc1.Name)
	}
	f.tasks.infer, f.tasks.mixed = f.infer, f.inferMixed
	f.tasks.round, f.tasks.expand, f.tasks.contract = f.round, f.expand, f.contract
	rows, stride := longest(f.cut), byteStride(hidden)
	if f.fc1 == nil || f.fc2 == nil {
		if f.fc1 == nil {
			f.w1 = t.newLayerWeight(m.Fc1, PackForward)
		} else {
			f.w2 = t.newLayerWeight(m.Fc2, PackForward)
		}
		f.ones, f.zeros = make([]float32, hidden), make([]float32, hidden)
		for i := range f.ones {
			f.ones[i] = 1
		}
		floats := scratchSize([]int{rows * hidden}, rows, c)
		t.NeedScratch(byteScratch(rows*c, rows*hidden) + newNormed(c).scratchSize() + floats)
		return f, nil
	}
	f.table = f.gelu
	t.NeedScratch(byteScratch(rows*c, rows*stride) + newNormed(c).scratchSize())
	up, okUp := t.int8Grid(f.cut, hidden)
	down, okDown := t.int8Grid(f.cut, c)
	if okUp && okDown {
		f.up, f.down = up, down
		f.normed, f.act = t.newPlannedBytes(shape.rows, c), t.newPlannedBytes(shape.rows, stride)
	}
	return f, nil
}

func (f *int8MLP) forward(in [][]float32, out []float32) error {
	f.x, f.y = f.shape.matrix(in[0]), f.shape.matrix(out)
	if err := f.fc1.ready(f.table); err != nil {
		return err
	}
	if err := f.fc2.ready(nil); err != nil {
		return err
	}
	pool := f.tape.Pool()
	switch {
	case f.fc1 == nil || f.fc2 == nil:
		readyWeights(pool, f.w1, f.w2)
		pool.Run(len(f.cut), f.tasks.mixed)
	case f.normed.buf != nil:
		pool.Run(len(f.cut), f.tasks.round)
		pool.Run(f.up.tasks(), f.tasks.expand)
		pool.Run(f.down.tasks(), f.tasks.contract)
	default:
		pool.Run(len(f.cut), f.tasks.infer)
	}
	return nil
}

// gelu returns GELU as a table from the grid of the first product to the grid of the second one's input.
func (f *int8MLP) gelu() ([]uint8, error) {
	return activationTable(kernels.GELU, *f.fc1.Out, f.fc2.In)
}

// infer is the whole MLP for a block of rows.
func (f *int8MLP) infer(worker, i int) {
	from, to := f.cut[i][0], f.cut[i][1]
	s := scratch{f.tape.Scratch(worker)}
	x, n := f.x.Slice(from, to), s.bytes(to-from, f.channels)
	h := s.bytes(to-from, byteStride(f.hidden)).Columns(0, f.hidden)
	f.fc1.normalised(n, f.norm, x, s)
	f.fc1.bytes(h, 0, n)
	f.fc2.float(f.y.Slice(from, to), 0, h, x)
}

// inferMixed is infer if one of the layers is float32.
func (f *int8MLP) inferMixed(worker, i int) {
	from, to := f.cut[i][0], f.cut[i][1]
	s, k := scratch{f.tape.Scratch(worker)}, f.tape.kernels
	x, y := f.x.Slice(from, to), f.y.Slice(from, to)
	h := kernels.NewMatrix(s.vector((to-from)*f.hidden), to-from, f.hidden)
	v, bytes := s.matrix(to-from, f.channels), s.bytes(to-from, f.hidden)
	bias := f.Fc1Bias.Data()
	if f.fc1 != nil {
		n := s.bytes(to-from, f.channels)
		f.fc1.normalised(n, f.norm, x, s)
		f.fc1.bytes(bytes, 0, n)
		k.Dequantise(h.Data, bytes.Data[:len(h.Data)], f.fc1.Out.Scale, f.fc1.Out.Zero)
		bias = f.zeros
	} else {
		f.norm.forward(v, x, from)
		k.Gemm(h, 1, v, f.w1.Packed, kernels.Matrix{})
	}
	k.Affine(h, h, f.ones, bias, kernels.GELU)
	if f.fc2 != nil {
		f.fc2.quantise(bytes, h)
		f.fc2.float(y, 0, bytes, x)
		return
	}
	k.Gemm(v, 1, h, f.w2.Packed, kernels.Broadcast(f.Fc2Bias.Data(), to-from))
	f.shape.addScaled(k, y, x, v, from, nil)
}

func (f *int8MLP) round(worker, i int) {
	from, to := f.cut[i][0], f.cut[i][1]
	f.fc1.normalised(f.normed.matrix().Slice(from, to), f.norm, f.x.Slice(from, to), scratch{f.tape.Scratch(worker)})
}

func (f *int8MLP) expand(_, i int) {
	from, to, c, end := f.up.task(i)
	f.fc1.bytes(f.act.matrix().Slice(from, to).Columns(c, end), c, f.normed.matrix().Slice(from, to))
}

func (f *int8MLP) contract(_, i int) {
	from, to, c, end := f.down.task(i)
	act := f.act.matrix().Slice(from, to).Columns(0, f.hidden)
	f.fc2.float(f.y.Slice(from, to).Columns(c, end), c, act, f.x.Slice(from, to).Columns(c, end))
}
