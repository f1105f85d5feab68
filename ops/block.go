package ops

import (
	"fmt"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Block describes a FasterNet block (Chen et al., 2023, fig. 4):
//
//	y = x + keep · scale · conv2(act(norm(conv1(pconv(x)))))
//
// pconv is the partial convolution: 3×3 on the first channels; the others pass unchanged.
type Block struct {
	Name       string
	PConv      *Param // [cp, cp, 3, 3]
	Conv1      *Param // [hidden, C, 1, 1]
	Norm       *BatchNorm
	Bias       *Param // [hidden]: of conv1, instead of a norm that is folded; for evaluation
	Act        kernels.Activation
	GRN        *GRN           // of the activated map, or nil
	Conv2      *Param         // [C, hidden, 1, 1]
	LayerScale *Param         // [C], or nil for none
	Keep       *gorgonia.Node // [batch]: 0 or 1/(1-rate) for each sample; nil for all ones
	Int8       *Int8Block     // the block computes in 8 bits, on maps of bytes; nil for float32
	// Watch gets values within the block in a float32 evaluation, some rows at a time and on several
	// goroutines. It may be nil.
	Watch func(part BlockPart, rows kernels.Matrix)
	Units *Units // the images are visible units of larger ones; nil for whole images
}

// BlockPart is a value within a block.
type BlockPart string

// The values that [Block.Watch] gets: the convolved channels, the hidden map before bias and
// activation, and the hidden map after them.
const (
	ConvolvedPart BlockPart = "convolved"
	HiddenPart    BlockPart = "hidden"
	ActivatedPart BlockPart = "activated"
)

// What the blocks of transformers tell of besides: the tokens after the norm, and what attention
// made of the values, all heads side by side.
const (
	NormedPart BlockPart = "normed"
	HeadsPart  BlockPart = "heads"
)

// FasterNetBlock adds a FasterNet block on the map x [batch, height, width, C].
//
// It is one operation, so that a span of rows goes through half of the block while it is in the
// cache: convolution, first product and statistics; then normalisation, activation, second product and
// residual. For the backward pass it keeps the convolved channels and the hidden map before the norm.
func FasterNetBlock(t *Tape, x *gorgonia.Node, b Block) (*gorgonia.Node, error) {
	if b.Int8 != nil {
		return blockInt8(t, x, b)
	}
	f, err := newBlock(t, x, b, b.GRN == nil && b.Watch == nil)
	if err != nil {
		return nil, fmt.Errorf("ops: block %q: %w", b.Name, err)
	}
	s := Spec{
		Kind:   KindFasterNetBlock,
		About:  b,
		Name:   b.Name,
		Inputs: gorgonia.Nodes{x},
		WRT:    []bool{true},
		Shape:  x.Shape().Clone(),
		Run:    f.forwardEval,
		Grad:   f.differentiate,
	}
	for _, p := range f.params() {
		s.Inputs = append(s.Inputs, t.Param(p))
		s.WRT = append(s.WRT, true)
	}
	if b.Keep != nil {
		s.Inputs = append(s.Inputs, b.Keep)
		s.WRT = append(s.WRT, false)
	}
	rows := f.shape.rows()
	s.Cost = product(rows, f.partial+f.hidden+f.shape.channels, b.PConv, b.Conv1, b.Conv2)
	if b.Norm != nil {
		s.Cost.Foldable, s.Cost.NormElements = f.hidden, rows*f.hidden
	}
	if b.LayerScale != nil {
		s.Cost.Foldable += b.LayerScale.Size()
	}
	switch {
	case t.Train:
		s.Run, s.Again = f.forwardTrain, f.restore
		s.Uses = []*Buffer{f.convolvedBuf, f.hiddenMap.buf}
	case f.grn != nil:
		s.Run, s.Uses = f.forwardGRN, []*Buffer{f.convolvedBuf, f.hiddenMap.buf}
	case f.columns != nil:
		s.Run, s.Uses = f.columns.forward, []*Buffer{f.columns.mixed.buf, f.columns.hiddenMap.buf}
	}
	return t.Record(s)
}

// block is a FasterNet block in a graph.
type block struct {
	Block
	tape            *Tape
	input           *gorgonia.Node
	shape           mapShape
	partial, hidden int // channels that are convolved; channels between conv1 and conv2
	norm            *normState
	spans           []span
	maxRows         int           // of a span
	strip           int           // length of the padded copy of a span's lines, in float32
	factorStrip     int           // length of the copy that products read
	columns         *blockColumns // for evaluation of few lines, else nil
	taps            [][9]unitTap  // of the pixels of a unit if there are few, else nil

	grn *blockGRN // or nil

	// Kept for the backward pass: the convolved channels [rows, partial] and the hidden map before
	// the norm [rows, hidden].
	convolvedBuf *Buffer
	hiddenMap    kept

	// In the current run.
	x, y, convolved kernels.Matrix
	keep            []float32
	wp, w1, w2      *pack
	tasks           struct{ mix, fill, expand, infer func(worker, span int) }
}

// newBlock prepares a block. columns says whether its products may be divided by columns.
func newBlock(t *Tape, x *gorgonia.Node, b Block, columns bool) (*block, error) {
	shape, err := shapeOfMap(x)
	if err != nil {
		return nil, err
	}
	f := &block{Block: b, tape: t, input: x, shape: shape, partial: b.PConv.Shape()[0], hidden: b.Conv1.Shape()[0]}
	if err := checkFolded(t, b.Norm, b.Bias); err != nil {
		return nil, err
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	c := f.shape.channels
	if rows, workers := blockRows(f.shape.rows(), c+f.hidden), t.Pool().Workers(); t.Train || b.Keep != nil {
		f.spans = f.shape.cut(rows)
	} else {
		spans, load := f.shape.even(rows, workers)
		f.spans = spans
		if up, down, ok := blockGrids(f.shape, f.hidden, t.kernels.PanelWidth(), workers, load, floatSpeed); ok &&
			columns {
			f.columns = t.newBlockColumns(f, up, down)
		}
	}
	for _, b := range f.spans {
		f.maxRows = max(f.maxRows, b.images*b.lines*f.shape.width)
		f.strip = max(f.strip, f.pconv(b).PaddedLen())
		f.factorStrip = max(f.factorStrip, f.pconv(b).StripLen(t.Precision))
	}
	if f.sideBySide() {
		f.taps, f.strip = unitTaps(f.shape.height, f.shape.width), scratchSize(nil, f.maxRows, 9*f.partial)
	}
	f.wp = t.pack(b.PConv, packing{in: t.Precision})
	f.w1 = t.pack(b.Conv1, packing{in: t.Precision})
	f.w2 = t.pack(b.Conv2, packing{in: t.Precision})
	if f.Norm == nil {
		f.norm = newFoldedNorm(f.hidden)
	} else {
		f.norm = newNormState(t.Pool(), f.Norm, len(f.spans), t.Train)
	}
	f.tasks.mix, f.tasks.expand, f.tasks.infer = f.mix, f.expand, f.infer
	f.tasks.fill = func(worker, i int) { f.fill(worker, i) }
	factors := []int{f.strip, f.factorStrip, t.factorLen(f.maxRows, c), t.factorLen(f.maxRows, f.hidden)}
	t.NeedScratch(scratchSize(factors, f.maxRows, c, f.hidden, f.partial))
	if b.GRN != nil {
		if f.grn, err = newBlockGRN(f); err != nil {
			return nil, err
		}
	}
	if t.Train || b.GRN != nil {
		f.convolvedBuf = t.NewBuffer(f.shape.rows() * f.partial)
		f.hiddenMap = t.newKept(f.shape.rows(), f.hidden, f.hidden)
	}
	return f, nil
}

func shapeOfMap(n *gorgonia.Node) (mapShape, error) {
	s := n.Shape()
	if s.Dims() != 4 {
		return mapShape{}, fmt.Errorf("input has shape %v, want [batch, height, width, channels]", s)
	}
	return mapShape{s[0], s[1], s[2], s[3]}, nil
}

func (f *block) check() error {
	if err := f.Act.Check(); err != nil {
		return err
	}
	c := f.shape.channels
	if f.partial > c {
		return fmt.Errorf("the partial convolution has %d channels, the map %d", f.partial, c)
	}
	want := map[*Param]tensor.Shape{
		f.PConv: {f.partial, f.partial, 3, 3}, f.Conv1: {f.hidden, c, 1, 1}, f.Conv2: {c, f.hidden, 1, 1},
	}
	for _, p := range f.normParams() {
		want[p] = tensor.Shape{f.hidden}
	}
	if f.LayerScale != nil {
		want[f.LayerScale] = tensor.Shape{c}
	}
	for p, s := range want {
		if !p.Shape().Eq(s) {
			return fmt.Errorf("%s has shape %v, want %v", p.Name, p.Shape(), s)
		}
	}
	if f.Keep != nil && !f.Keep.Shape().Eq(tensor.Shape{f.shape.batch}) {
		return fmt.Errorf("keep has shape %v, want [%d]", f.Keep.Shape(), f.shape.batch)
	}
	if f.Units != nil {
		return f.Units.fit(f.shape.batch)
	}
	return nil
}

// params returns the parameters in the order of the op's inputs.
func (f *block) params() []*Param {
	ps := append([]*Param{f.PConv, f.Conv1}, f.normParams()...)
	ps = append(append(ps, f.Conv2), f.GRN.params()...)
	if f.LayerScale != nil {
		ps = append(ps, f.LayerScale)
	}
	return ps
}

// normParams returns the parameters between conv1 and the activation.
func (f *block) normParams() []*Param {
	if f.Norm == nil {
		return []*Param{f.Bias}
	}
	return []*Param{f.Norm.Weight, f.Norm.Bias}
}

// pconv is the partial convolution on the lines of a span.
func (f *block) pconv(b span) kernels.PConv {
	return kernels.PConv{Height: b.lines, Width: f.shape.width, Channels: f.partial}
}

func (f *block) forwardTrain(in [][]float32, out []float32) error {
	f.bind(in, out)
	f.convolved = kernels.NewMatrix(f.convolvedBuf.data, f.shape.rows(), f.partial)
	pool := f.tape.Pool()
	pool.Run(len(f.spans), f.tasks.mix)
	if err := f.norm.batch(f.tape.Parallel); err != nil {
		return err
	}
	if f.grn != nil {
		f.grn.run()
	}
	pool.Run(len(f.spans), f.tasks.expand)
	return nil
}

// forwardGRN evaluates a block with a GRN, which needs the whole hidden map before it goes on.
func (f *block) forwardGRN(in [][]float32, out []float32) error {
	f.bind(in, out)
	f.measureGRN()
	f.tape.Pool().Run(len(f.spans), f.tasks.expand)
	return nil
}

// measureGRN fills the hidden map of an evaluation, and measures it for the GRN.
func (f *block) measureGRN() {
	f.convolved = kernels.NewMatrix(f.convolvedBuf.data, f.shape.rows(), f.partial)
	f.norm.running()
	f.tape.Pool().Run(len(f.spans), f.tasks.fill)
	f.grn.run()
}

// restore computes what forwardTrain kept, with the same statistics, and the result unless out is nil.
func (f *block) restore(in [][]float32, out []float32) error {
	f.convolved = kernels.NewMatrix(f.convolvedBuf.data, f.shape.rows(), f.partial)
	pool := f.tape.Pool()
	if out == nil {
		f.x = f.shape.matrix(in[0])
		pool.Run(len(f.spans), f.tasks.fill)
		return nil
	}
	f.bind(in, out)
	pool.Run(len(f.spans), f.tasks.fill)
	pool.Run(len(f.spans), f.tasks.expand)
	return nil
}

func (f *block) forwardEval(in [][]float32, out []float32) error {
	f.bind(in, out)
	f.norm.running()
	f.tape.Pool().Run(len(f.spans), f.tasks.infer)
	return nil
}

func (f *block) bind(in [][]float32, out []float32) {
	f.x, f.y = f.shape.matrix(in[0]), f.shape.matrix(out)
	f.keep = nil
	if f.Keep != nil {
		f.keep = in[len(in)-1]
	}
}

// mix is the first half of the block in training: partial convolution, first product, moments.
func (f *block) mix(worker, i int) { f.norm.moments[i].Measure(f.tape.kernels, f.fill(worker, i)) }

// fill computes what is kept of a span. It returns the hidden map before it is rounded.
func (f *block) fill(worker, i int) kernels.Matrix {
	s := scratch{f.tape.Scratch(worker)}
	b := f.spans[i]
	from, to := f.shape.from(b), f.shape.to(b)
	u, h := s.factor(f.tape, to-from, f.shape.channels), s.matrix(to-from, f.hidden)
	convolved := f.convolved.Slice(from, to)
	f.convolve(convolved.AsFactor(), b, s)
	f.tape.kernels.CopyTo(u.Columns(0, f.partial), convolved)
	f.copyUntouched(u, b)
	h = f.hiddenMap.place(h, from, 0)
	f.tape.kernels.GemmFactor(h, 1, u, f.w1.Packed, kernels.Matrix{})
	f.hiddenMap.put(h, from, 0)
	return h
}

// convolve computes the convolved channels of the rows of a span.
func (f *block) convolve(dst kernels.Factor, b span, s scratch) {
	if f.Units != nil {
		full := dst.Full
		if dst.Precision == kernels.BF16 {
			full = s.matrix(dst.Rows(), f.partial)
		}
		f.convolveUnits(full, b, s.vector(f.strip))
		if dst.Precision == kernels.BF16 {
			f.tape.kernels.CopyTo(dst, full)
		}
		return
	}
	p, at := f.pconv(b), 0
	strip := p.Strip(s.vector(f.factorStrip), f.tape.Precision)
	b.eachImage(func(b span) {
		p.PadTo(f.tape.kernels, strip, f.image(f.x, b.image).AsFactor(), b.line)
		n := b.lines * f.shape.width
		p.ConvolveTo(f.tape.kernels, dst.Slice(at, at+n), strip, f.wp.Packed, kernels.Matrix{})
		at += n
	})
}

// convolveUnits is convolve for visible units of masked images.
func (f *block) convolveUnits(dst kernels.Matrix, b span, strip []float32) {
	if f.taps != nil {
		f.convolveSideBySide(dst, f.x, b, strip, f.wp, kernels.Matrix{})
		return
	}
	p, at := f.pconv(b), 0
	b.eachImage(func(b span) {
		f.pad(strip, p, f.x, b)
		n := b.lines * f.shape.width
		p.Convolve(f.tape.kernels, dst.Slice(at, at+n), strip, f.wp.Packed, kernels.Matrix{})
		at += n
	})
}

// image returns the rows of one image.
func (f *block) image(m kernels.Matrix, i int) kernels.Matrix {
	n := f.shape.height * f.shape.width
	return m.Slice(i*n, (i+1)*n)
}

// copyUntouched copies the channels of x that are not convolved into the factor of the first product.
func (f *block) copyUntouched(u kernels.Factor, b span) {
	c := f.shape.channels
	f.tape.kernels.CopyTo(u.Columns(f.partial, c), f.x.Slice(f.shape.from(b), f.shape.to(b)).Columns(f.partial, c))
}

// gather joins the convolved and the untouched channels of x.
func (f *block) gather(u, convolved kernels.Matrix, b span) {
	c := f.shape.channels
	f.tape.kernels.Copy(u.Columns(0, f.partial), convolved)
	f.tape.kernels.Copy(u.Columns(f.partial, c), f.x.Slice(f.shape.from(b), f.shape.to(b)).Columns(f.partial, c))
}

// expand is the second half: norm, activation, second product, residual.
func (f *block) expand(worker, i int) {
	s := scratch{f.tape.Scratch(worker)}
	b := f.spans[i]
	from, to := f.shape.from(b), f.shape.to(b)
	a, v := s.factor(f.tape, to-from, f.hidden), s.matrix(to-from, f.shape.channels)
	if f.grn != nil {
		f.tape.kernels.CopyTo(a, f.grn.normalised(s.matrix(to-from, f.hidden), i))
	} else {
		f.tape.kernels.AffineTo(a, f.hiddenMap.part(to-from, f.hidden, from, 0), f.norm.scale, f.norm.shift, f.Act)
	}
	f.project(a, v, b)
}

// infer is the whole block, with fixed statistics.
func (f *block) infer(worker, i int) {
	s := scratch{f.tape.Scratch(worker)}
	b := f.spans[i]
	rows := f.shape.to(b) - f.shape.from(b)
	u, h := s.factor(f.tape, rows, f.shape.channels), s.matrix(rows, f.hidden)
	f.hiddenOf(h, u, b, s)
	if f.Watch != nil {
		f.Watch(ConvolvedPart, u.Full.Columns(0, f.partial))
		f.Watch(HiddenPart, h)
	}
	a := s.factorOf(f.tape, h)
	f.tape.kernels.AffineTo(a, h.AsFactor(), f.norm.scale, f.shift(), f.Act)
	if f.Watch != nil {
		f.Watch(ActivatedPart, a.Full)
	}
	f.project(a, s.matrix(rows, f.shape.channels), b)
}

// hiddenOf computes the hidden map of a span before its norm. u is scratch, and s the rest of it.
func (f *block) hiddenOf(h kernels.Matrix, u kernels.Factor, b span, s scratch) {
	f.convolve(u.Columns(0, f.partial), b, s)
	f.copyUntouched(u, b)
	f.tape.kernels.GemmFactor(h, 1, u, f.w1.Packed, kernels.Matrix{})
}

// shift returns what is added to the hidden map before the activation.
func (f *block) shift() []float32 {
	if f.Bias != nil {
		return f.Bias.Data()
	}
	return f.norm.shift
}

// project computes y = x + keep·scale·conv2(a) for the rows of a span; v is scratch.
func (f *block) project(a kernels.Factor, v kernels.Matrix, b span) {
	at := 0
	part := func(b span) {
		from, to := f.shape.from(b), f.shape.to(b)
		x, y := f.x.Slice(from, to), f.y.Slice(from, to)
		keep := f.keepOf(b.image)
		rows := a.Slice(at, at+to-from)
		switch {
		case keep == 0:
			f.tape.kernels.Copy(y, x)
		case f.LayerScale == nil:
			f.tape.kernels.GemmFactor(y, keep, rows, f.w2.Packed, x)
		default:
			vr := v.Slice(at, at+to-from)
			f.tape.kernels.GemmFactor(vr, keep, rows, f.w2.Packed, kernels.Matrix{})
			kernels.ScaleColumns(vr, vr, f.LayerScale.Data())
			f.tape.kernels.Combine(y, vr, x, 1, 1)
		}
		at += to - from
	}
	if f.keep == nil {
		part(b)
		return
	}
	b.eachImage(part)
}

// keepOf returns the factor of the branch for a sample.
func (f *block) keepOf(image int) float32 {
	if f.keep == nil {
		return 1
	}
	return f.keep[image]
}
