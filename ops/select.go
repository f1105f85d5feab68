package ops

import (
	"fmt"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Selection describes how the tokens of an image are reordered, left out, and filled up with a
// learned token. For example it takes the visible patches of a masked image, or puts mask tokens in
// the gaps of a whole image.
type Selection struct {
	Name string
	// Index has, for every token of the result, image by image, the number of a token of the same
	// image, or -1 for Token. The owner of the list may write other numbers between two runs. A
	// token may be chosen once.
	Index  []int32
	Images int
	Shape  tensor.Shape // of the result: Images equal parts of tokens, and C
	Token  *Param       // [1, 1, C]; nil if Index has no -1
	// Position is added to the tokens: rows of C for the tokens of an image of the result or, with
	// BySource, for the tokens of x. Nil for nothing. With BySource, Token gets no position.
	Position []float32
	BySource bool
}

// SelectTokens adds a selection on tokens x [images, …, C].
func SelectTokens(t *Tape, x *gorgonia.Node, s Selection) (*gorgonia.Node, error) {
	in, err := shapeOfTokens(x)
	if err != nil {
		return nil, fmt.Errorf("ops: selection %q: %w", s.Name, err)
	}
	c := in.channels
	f := &selection{Selection: s, tape: t, input: x, in: in, channels: c}
	total := s.Shape.TotalSize() / c
	if s.Images < 1 ||
		in.rows%s.Images != 0 ||
		total%s.Images != 0 ||
		s.Shape[len(s.Shape)-1] != c ||
		len(s.Index) != total {
		return nil, fmt.Errorf("ops: selection %q: %d numbers, of %d images, for tokens %v of %v",
			s.Name, len(s.Index), s.Images, s.Shape, x.Shape())
	}
	f.from, f.to = in.rows/s.Images, total/s.Images
	if err := checkShapes(map[*Param]tensor.Shape{s.Token: {1, 1, c}}); err != nil {
		return nil, fmt.Errorf("ops: selection %q: %w", s.Name, err)
	}
	places := f.to
	if s.BySource {
		places = f.from
	}
	if s.Position != nil && len(s.Position) != places*c {
		return nil, fmt.Errorf("ops: selection %q: %d values of positions for %d tokens of %d channels",
			s.Name, len(s.Position), places, c)
	}
	f.columns = newColumnParts(s.Images, c)
	f.forwardTask, f.backwardTask = f.forwardPart, f.backwardPart
	return t.recordLayer(Spec{
		Kind:  KindSelectTokens,
		Name:  s.Name,
		Shape: s.Shape,
		Run:   f.forward,
		Again: Repeat(f.forward),
		Grad:  f.differentiate,
	}, x, given(s.Token), nil)
}

type selection struct {
	Selection
	tape      *Tape
	input     *gorgonia.Node
	in        tokenShape
	channels  int
	from, to  int // tokens of an image of x, and of the result
	columns   columnParts
	tokenGrad []float32 // of each image

	x, y, dx, dy              kernels.Matrix
	forwardTask, backwardTask func(worker, i int)
}

// check finds numbers that would read outside of the image.
func (f *selection) check() error {
	for i, v := range f.Index {
		if int(v) >= f.from || v < -1 || (v < 0 && f.Token == nil) {
			return fmt.Errorf("selected token %d of image %d is number %d of %d", i%f.to, i/f.to, v, f.from)
		}
	}
	return nil
}

func (f *selection) forward(in [][]float32, out []float32) error {
	if err := f.check(); err != nil {
		return err
	}
	f.x, f.y = f.in.matrix(in[0]), kernels.NewMatrix(out, f.Images*f.to, f.channels)
	f.tape.Pool().Run(f.Images*f.columns.parts, f.forwardTask)
	return nil
}

func (f *selection) forwardPart(_, task int) {
	image, from, to := f.columns.task(task)
	c := f.channels
	for i := range f.to {
		row := f.y.Row(image*f.to + i)[from:to]
		source := int(f.Index[image*f.to+i])
		if source < 0 {
			copy(row, f.Token.Data()[from:to])
		} else {
			copy(row, f.x.Row(image*f.from + source)[from:to])
		}
		switch {
		case f.Position == nil:
		case !f.BySource:
			f.tape.kernels.Add(row, f.Position[i*c+from:i*c+to])
		case source >= 0:
			f.tape.kernels.Add(row, f.Position[source*c+from:source*c+to])
		}
	}
}

func (f *selection) differentiate(_, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	if f.Token != nil {
		f.tokenGrad = make([]float32, f.Images*f.channels)
	}
	return f.tape.recordGrad(Spec{
		Kind: KindSelectTokens + GradSuffix,
		Name: f.Name,
		Run:  f.backward,
	}, dy, f.input, given(f.Token), nil)
}

func (f *selection) backward(in [][]float32, out []float32) error {
	f.dy, f.dx = kernels.NewMatrix(in[0], f.Images*f.to, f.channels), f.in.matrix(out)
	f.tape.Pool().Run(f.Images*f.columns.parts, f.backwardTask)
	if f.Token != nil {
		f.tape.kernels.ColumnSums(kernels.NewMatrix(f.tokenGrad, f.Images, f.channels), f.Token.GradData())
	}
	return nil
}

func (f *selection) backwardPart(_, task int) {
	image, from, to := f.columns.task(task)
	for i := range f.from {
		clear(f.dx.Row(image*f.from + i)[from:to])
	}
	var token []float32
	if f.Token != nil {
		token = f.tokenGrad[image*f.channels+from : image*f.channels+to]
		clear(token)
	}
	for i := range f.to {
		row := f.dy.Row(image*f.to + i)[from:to]
		if source := int(f.Index[image*f.to+i]); source < 0 {
			f.tape.kernels.Add(token, row)
		} else {
			copy(f.dx.Row(image*f.from + source)[from:to], row)
		}
	}
}

// AvgPoolTokens adds the mean over squares of 2×2 tokens. x is [images, skip + height·width, C]
// with even height and width. The first skip tokens of an image, class tokens, are left out. The
// result is [images, height/2 · width/2, C].
func AvgPoolTokens(t *Tape, name string, x *gorgonia.Node, skip, height, width int) (*gorgonia.Node, error) {
	s, err := shapeOfTokens(x)
	if err != nil {
		return nil, fmt.Errorf("ops: pool of tokens %q: %w", name, err)
	}
	n, h, w := s.perImage(), height/2, width/2
	if height%2 != 0 || width%2 != 0 || n != skip+height*width {
		return nil, fmt.Errorf("ops: pool of tokens %q: %d tokens, %d of them classes, on a grid of "+
			"%d×%d: want even sides", name, n, skip, height, width)
	}
	out := tokenShape{images: s.images, rows: s.images * h * w, channels: s.channels}
	// each calls f for every new token and the four old ones.
	each := func(image int, f func(to, from int)) {
		for y := range height {
			for x := range width {
				f((image*h+y/2)*w+x/2, image*n+skip+y*width+x)
			}
		}
	}
	columns := newColumnParts(s.images, s.channels)
	var src, dst kernels.Matrix
	mean := func(_, i int) {
		image, a, b := columns.task(i)
		for row := image * h * w; row < (image+1)*h*w; row++ {
			clear(dst.Row(row)[a:b])
		}
		each(image, func(to, from int) { addMultiple(t.kernels, dst.Row(to)[a:b], src.Row(from)[a:b], 0.25) })
	}
	spread := func(_, i int) {
		image, a, b := columns.task(i)
		for row := image * n; row < image*n+skip; row++ {
			clear(dst.Row(row)[a:b])
		}
		each(image, func(to, from int) {
			row := dst.Row(from)[a:b]
			copy(row, src.Row(to)[a:b])
			kernels.Scale(row, 0.25)
		})
	}
	return t.recordLayer(Spec{
		Kind: KindAvgPoolTokens, Name: name, Shape: tensor.Shape{s.images, h * w, s.channels},
		Run: func(in [][]float32, o []float32) error {
			src, dst = s.matrix(in[0]), out.matrix(o)
			t.Pool().Run(s.images*columns.parts, mean)
			return nil
		},
		Grad: func(_, dy *gorgonia.Node) (gorgonia.Nodes, error) {
			return t.recordGrad(Spec{
				Kind: KindAvgPoolTokens + GradSuffix, Name: name,
				Run: func(in [][]float32, o []float32) error {
					src, dst = out.matrix(in[0]), s.matrix(o)
					t.Pool().Run(s.images*columns.parts, spread)
					return nil
				},
			}, dy, x, nil, nil)
		},
	}, x, nil, nil)
}
