package ops

import (
	"fmt"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Int8Conv is the 8-bit form of a [PatchConv] whose batch norm is folded. Its input and its
// result are maps of bytes.
type Int8Conv struct {
	In, Out Grid
	Weight  *Int8Weight
}

func patchConvInt8(t *Tape, x *gorgonia.Node, p PatchConv) (*gorgonia.Node, error) {
	f, err := newInt8Conv(t, x, p)
	if err != nil {
		return nil, fmt.Errorf("ops: patch convolution %q: %w", p.Name, err)
	}
	o := f.out
	return t.Record(Spec{
		Kind:   KindPatchConvNorm,
		About:  p,
		Name:   p.Name,
		Inputs: gorgonia.Nodes{x, t.Param(p.Weight), t.Param(p.Bias)},
		Shape:  tensor.Shape{o.batch, o.height, o.width, o.channels},
		Cost:   product(o.rows(), o.channels, p.Weight),
		Run:    f.forward,
	})
}

type int8Conv struct {
	PatchConv
	tape    *Tape
	in, out mapShape
	spans   []span
	product int8Product
	x, y    kernels.Bytes
	task    func(worker, i int)
}

func newInt8Conv(t *Tape, x *gorgonia.Node, p PatchConv) (*int8Conv, error) {
	in, err := shapeOfMap(x)
	if err != nil {
		return nil, err
	}
	q, w := p.Int8, p.Weight.Shape()
	switch {
	case t.Train || p.Units || p.Norm != nil || p.Bias == nil:
		return nil, fmt.Errorf("layers of 8 bits are folded, and for evaluation")
	case w.Dims() != 4 || w[1] != in.channels || w[2] != w[3] || p.Bias.Size() != w[0]:
		return nil, fmt.Errorf("weight %v and %d biases on a map of %d channels", w, p.Bias.Size(), in.channels)
	case in.height < w[2] || in.width < w[2]:
		return nil, fmt.Errorf("the %d×%d map is smaller than a patch of %d×%d", in.height, in.width, w[2], w[2])
	case q.Weight.Param != p.Weight:
		return nil, fmt.Errorf("its weight of 8 bits belongs to another layer")
	}
	if err := q.In.Check(); err != nil {
		return nil, fmt.Errorf("its input: %w", err)
	}
	if err := q.Out.Check(); err != nil {
		return nil, fmt.Errorf("its result: %w", err)
	}
	f := &int8Conv{PatchConv: p, tape: t, in: in}
	patch := kernels.PatchConv{Height: in.height, Width: in.width, Channels: in.channels, Size: w[2], Step: p.Stride}
	f.out = mapShape{in.batch, patch.OutHeight(), patch.OutWidth(), w[0]}
	f.spans, _ = f.out.even(blockRows(f.out.rows(), (patch.Inner()+w[0]+3)/4), t.Pool().Workers())
	f.task = f.infer
	return f, nil
}

func (f *int8Conv) forward(in [][]float32, out []float32) (err error) {
	f.x, f.y = f.in.bytes(in[0]), f.out.bytes(out)
	if f.product.PackedInt8 == nil || f.product.version != f.Weight.version {
		if f.product, err = f.Int8.Weight.product(f.tape.kernels, f.Int8.In, &f.Int8.Out, nil, nil); err != nil {
			return err
		}
	}
	f.tape.Pool().Run(len(f.spans), f.task)
	return nil
}

func (f *int8Conv) infer(_, i int) {
	b := f.spans[i]
	at, n := f.out.from(b), b.lines*f.out.width
	line := f.in.width * f.in.channels
	b.eachImage(func(b span) {
		from := (b.image*f.in.height + b.line*f.Stride) * line
		f.tape.kernels.ConvolveInt8(f.y.Slice(at, at+n), 0, f.x.Data[from:],
			kernels.Lines{
				Count:     b.lines,
				Width:     f.out.width,
				Step:      f.Stride * line,
				Stride:    f.Stride * f.in.channels,
				SegStride: line,
			},
			f.product.PackedInt8, f.product.rescale, kernels.Bytes{}, 0)
		at += n
	})
}
