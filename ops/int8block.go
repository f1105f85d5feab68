package ops

import (
	"fmt"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
)

// Int8Block is the 8-bit form of a [Block] whose batch norm is folded. Its input and its result are
// maps of bytes. The convolved channels are on the grid of the input, because the first product
// multiplies both.
type Int8Block struct {
	In            Grid // of the input, and of the convolved channels
	Before, After Grid // of the hidden map, before and after the activation
	Out           Grid
	// Branch is the grid of the term that is added to the input. Only ONNX runtimes round to it.
	Branch       Grid
	PConv, Conv1 *Int8Weight
	Conv2        *Int8Weight
}

// int8Block is such a block in a graph. As in [block], a span of rows goes through all of it while it
// is in the cache. If there are few rows, the two products are divided by columns.
type int8Block struct {
	Block
	tape            *Tape
	shape           mapShape
	partial, hidden int
	spans           []span

	conv, up, down int8Product

	// Set if products are divided by columns.
	upGrid, downGrid grid
	mixed, act       *Buffer

	x, y  kernels.Bytes // of the current run
	tasks struct{ infer, mix, expand, project func(worker, i int) }
}

func blockInt8(t *Tape, x *gorgonia.Node, b Block) (*gorgonia.Node, error) {
	f, err := newInt8Block(t, x, b)
	if err != nil {
		return nil, fmt.Errorf("ops: block %q: %w", b.Name, err)
	}
	s := Spec{
		Kind:   KindFasterNetBlock,
		About:  b,
		Name:   b.Name,
		Inputs: gorgonia.Nodes{x},
		Shape:  x.Shape().Clone(),
		Run:    f.forward,
		Cost:   product(f.shape.rows(), f.partial+f.hidden+f.shape.channels, b.PConv, b.Conv1, b.Conv2),
	}
	for _, p := range []*Param{b.PConv, b.Conv1, b.Bias, b.Conv2} {
		s.Inputs = append(s.Inputs, t.Param(p))
	}
	if f.mixed != nil {
		s.Run, s.Uses = f.forwardColumns, []*Buffer{f.mixed, f.act}
	}
	return t.Record(s)
}

func newInt8Block(t *Tape, x *gorgonia.Node, b Block) (*int8Block, error) {
	shape, err := shapeOfMap(x)
	if err != nil {
		return nil, err
	}
	q := b.Int8
	switch {
	case t.Train || b.Keep != nil || b.Units != nil:
		return nil, fmt.Errorf("blocks of 8 bits are for evaluation")
	case b.Norm != nil || b.Bias == nil || b.LayerScale != nil:
		return nil, fmt.Errorf("blocks of 8 bits are folded")
	case b.GRN != nil:
		return nil, fmt.Errorf("a block with a GRN cannot compute in 8 bits")
	case q.PConv.Param != b.PConv || q.Conv1.Param != b.Conv1 || q.Conv2.Param != b.Conv2:
		return nil, fmt.Errorf("its weights of 8 bits belong to another block")
	}
	old := &block{Block: b, shape: shape, partial: b.PConv.Shape()[0], hidden: b.Conv1.Shape()[0]}
	if err := old.check(); err != nil {
		return nil, err
	}
	for _, g := range []struct {
		name string
		Grid
	}{
		{"its input", q.In}, {"its hidden map", q.Before}, {"its activation", q.After},
		{"what it adds", q.Branch}, {"its result", q.Out},
	} {
		if err := g.Check(); err != nil {
			return nil, fmt.Errorf("%s: %w", g.name, err)
		}
	}
	f := &int8Block{Block: b, tape: t, shape: shape, partial: old.partial, hidden: old.hidden}
	c, workers := shape.channels, t.Pool().Workers()
	spans, load := shape.even(blockRows(shape.rows(), (2*c+f.hidden+3)/4), workers)
	f.spans = spans
	rows, strip := 0, 0
	for _, b := range spans {
		rows, strip = max(rows, b.images*b.lines*shape.width), max(strip, f.pconv(b).PaddedLen())
	}
	f.tasks.infer, f.tasks.mix, f.tasks.expand, f.tasks.project = f.infer, f.mix, f.expand, f.project
	t.NeedScratch(byteScratch(strip, rows*c, rows*f.hidden))
	if up, down, ok := blockGrids(shape, f.hidden, t.kernels.Int8PanelWidth(), workers, load, int8Speed); ok {
		f.upGrid, f.downGrid = up, down
		f.mixed, f.act = t.NewBuffer(byteValues(shape.rows()*c)), t.NewBuffer(byteValues(shape.rows()*f.hidden))
	}
	return f, nil
}

func (f *int8Block) pconv(b span) kernels.PConv {
	return kernels.PConv{Height: b.lines, Width: f.shape.width, Channels: f.partial}
}

// bind prepares a run.
func (f *int8Block) bind(in [][]float32, out []float32) (err error) {
	f.x, f.y = f.shape.bytes(in[0]), f.shape.bytes(out)
	q, k := f.Int8, f.tape.kernels
	if f.conv.PackedInt8 != nil && f.conv.version == f.PConv.version && f.up.version == f.Conv1.version &&
		f.down.version == f.Conv2.version {
		return nil
	}
	table, err := activationTable(f.Act, q.Before, q.After)
	if err != nil {
		return err
	}
	if f.conv, err = q.PConv.product(k, q.In, &q.In, nil, nil); err != nil {
		return err
	}
	if f.up, err = q.Conv1.product(k, q.In, &q.Before, table, nil); err != nil {
		return err
	}
	f.down, err = q.Conv2.product(k, q.After, &q.Out, nil, &q.In)
	return err
}

func (f *int8Block) forward(in [][]float32, out []float32) error {
	if err := f.bind(in, out); err != nil {
		return err
	}
	f.tape.Pool().Run(len(f.spans), f.tasks.infer)
	return nil
}

// forwardColumns is forward in three regions.
func (f *int8Block) forwardColumns(in [][]float32, out []float32) error {
	if err := f.bind(in, out); err != nil {
		return err
	}
	pool := f.tape.Pool()
	pool.Run(len(f.spans), f.tasks.mix)
	pool.Run(f.upGrid.tasks(), f.tasks.expand)
	pool.Run(f.downGrid.tasks(), f.tasks.project)
	return nil
}

// infer is the whole block for a span.
func (f *int8Block) infer(worker, i int) {
	s := scratch{f.tape.Scratch(worker)}
	b, k := f.spans[i], f.tape.kernels
	from, to := f.shape.from(b), f.shape.to(b)
	u, h := s.bytes(to-from, f.shape.channels), s.bytes(to-from, f.hidden)
	f.gather(u, b, s)
	k.GemmInt8(h, 0, u, f.up.PackedInt8, f.up.rescale, kernels.Bytes{}, 0)
	f.add(f.y.Slice(from, to), 0, h, f.x.Slice(from, to))
}

// gather fills u with the convolved channels of a span and the other channels of the input.
func (f *int8Block) gather(u kernels.Bytes, b span, s scratch) {
	k, c, at := f.tape.kernels, f.shape.channels, 0
	p := f.pconv(b)
	strip := s.bytes(1, p.PaddedLen()).Data
	line := (p.Width + 2) * f.partial
	b.eachImage(func(b span) {
		image := f.x.Slice(b.image*f.shape.height*f.shape.width, (b.image+1)*f.shape.height*f.shape.width)
		p.PadBytes(k, strip, image, b.line, f.Int8.In.Zero)
		n := b.lines * f.shape.width
		k.ConvolveInt8(u.Slice(at, at+n).Columns(0, f.partial), 0, strip,
			kernels.Lines{Count: b.lines, Width: p.Width, Step: line, Stride: f.partial, SegStride: line},
			f.conv.PackedInt8, f.conv.rescale, kernels.Bytes{}, 0)
		at += n
	})
	k.CopyBytes(u.Columns(f.partial, c), f.x.Slice(f.shape.from(b), f.shape.to(b)).Columns(f.partial, c))
}

// add computes y = x + conv2(a) for some rows, and columns from the one at n0 on.
func (f *int8Block) add(y kernels.Bytes, n0 int, a, x kernels.Bytes) {
	steps := float32(float64(f.Int8.In.Scale) / float64(f.Int8.Out.Scale))
	f.tape.kernels.GemmInt8(y, n0, a, f.down.PackedInt8, f.down.rescale, x, steps)
}

func (f *int8Block) mix(worker, i int) {
	b := f.spans[i]
	mixed := f.whole(f.mixed, f.shape.channels).Slice(f.shape.from(b), f.shape.to(b))
	f.gather(mixed, b, scratch{f.tape.Scratch(worker)})
}

// whole is a map of all rows in its own memory.
func (f *int8Block) whole(b *Buffer, cols int) kernels.Bytes {
	return kernels.Bytes{Data: kernels.BytesOf(b.data), Rows: f.shape.rows(), Cols: cols, Stride: cols}
}

func (f *int8Block) expand(_, i int) {
	first, end, from, to := f.upGrid.task(i)
	h := f.whole(f.act, f.hidden).Slice(first, end).Columns(from, to)
	u := f.whole(f.mixed, f.shape.channels).Slice(first, end)
	f.tape.kernels.GemmInt8(h, from, u, f.up.PackedInt8, f.up.rescale, kernels.Bytes{}, 0)
}

func (f *int8Block) project(_, i int) {
	first, end, from, to := f.downGrid.task(i)
	y, x := f.y.Slice(first, end).Columns(from, to), f.x.Slice(first, end).Columns(from, to)
	f.add(y, from, f.whole(f.act, f.hidden).Slice(first, end), x)
}
