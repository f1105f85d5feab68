package ops

import (
	"fmt"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Embedding describes what is added to the tokens of a ViT: a class token before the tokens of each
// image, and position embeddings.
type Embedding struct {
	Name     string
	Class    *Param    // [1, 1, C], or nil for no class token
	Position *Param    // [1, tokens, C], with the class token first; or nil
	Fixed    []float32 // fixed position embeddings in the same shape; or nil
	Grid     [2]int    // height and width that the positions are made for
}

// Embed adds an embedding to a map of tokens x [images, height, width, C]; the result is [images,
// tokens, C]. Positions of another grid are interpolated as in timm.
func Embed(t *Tape, x *gorgonia.Node, e Embedding) (*gorgonia.Node, error) {
	in, err := shapeOfTokens(x)
	if err == nil && x.Shape().Dims() != 4 {
		err = fmt.Errorf("input has shape %v, want [images, height, width, channels]", x.Shape())
	}
	if err != nil {
		return nil, fmt.Errorf("ops: embedding %q: %w", e.Name, err)
	}
	f := &embedding{Embedding: e, tape: t, input: x, in: in, tokens: in.perImage()}
	if e.Class != nil {
		f.class = 1
	}
	f.tokens += f.class
	c := in.channels
	places := f.class + e.Grid[0]*e.Grid[1]
	if err := checkShapes(map[*Param]tensor.Shape{e.Class: {1, 1, c}, e.Position: {1, places, c}}); err != nil {
		return nil, fmt.Errorf("ops: embedding %q: %w", e.Name, err)
	}
	if e.Fixed != nil && (len(e.Fixed) != places*c || e.Position != nil) {
		return nil, fmt.Errorf("ops: embedding %q: %d fixed values for %d tokens of %d channels, or "+
			"learned ones next to them", e.Name, len(e.Fixed), places, c)
	}
	if to := [2]int{x.Shape()[1], x.Shape()[2]}; to != e.Grid && (e.Fixed != nil || e.Position != nil) {
		f.resize = newPositionResize(t.kernels, f.class, c, e.Grid, to, Antialiased)
		f.resized, f.resizedGrad = make([]float32, f.tokens*c), make([]float32, f.tokens*c)
	}
	f.parts = (sumParts + in.images - 1) / in.images
	f.forwardTask, f.backwardTask = f.forwardPart, f.backwardTo
	return t.recordLayer(Spec{
		Kind:  KindEmbed,
		About: e,
		Name:  e.Name,
		Shape: tensor.Shape{in.images, f.tokens, c},
		Run:   f.forward,
		Grad:  f.differentiate,
	}, x, given(e.Class, e.Position), nil)
}

type embedding struct {
	Embedding
	tape          *Tape
	input         *gorgonia.Node
	in            tokenShape
	class, tokens int             // of an image: class tokens, and all tokens
	parts         int             // of an image, in the forward pass
	resize        *positionResize // nil if the positions have the same grid
	resized       []float32
	resizedGrad   []float32

	x, y, dx, dy              kernels.Matrix
	position, positionGrad    []float32
	forwardTask, backwardTask func(worker, i int)
}

func (f *embedding) forward(in [][]float32, out []float32) error {
	f.x, f.y = f.in.matrix(in[0]), kernels.NewMatrix(out, f.in.images*f.tokens, f.in.channels)
	f.position = f.Fixed
	if f.Position != nil {
		f.position = f.Position.Data()
	}
	if f.resize != nil {
		f.resize.forward(f.resized, f.position)
		f.position = f.resized
	}
	f.tape.Pool().Run(f.in.images*f.parts, f.forwardTask)
	return nil
}

// ofImage returns the rows of an image in a map with class tokens, without the class token.
func (f *embedding) ofImage(m kernels.Matrix, image int) kernels.Matrix {
	return m.Slice(image*f.tokens+f.class, (image+1)*f.tokens)
}

// forwardPart embeds a part of the tokens of an image.
func (f *embedding) forwardPart(_, i int) {
	n, c := f.in.perImage(), f.in.channels
	image, part := i/f.parts, i%f.parts
	if f.Class != nil && part == 0 {
		row := f.y.Row(image * f.tokens)
		copy(row, f.Class.Data())
		if f.position != nil {
			f.tape.kernels.Add(row, f.position[:c])
		}
	}
	from, to := part*n/f.parts, (part+1)*n/f.parts
	if from == to {
		return
	}
	y := f.ofImage(f.y, image).Slice(from, to)
	f.tape.kernels.Copy(y, f.x.Slice(image*n+from, image*n+to))
	if f.position != nil {
		f.tape.kernels.Add(y.Data[:(to-from)*c], f.position[(f.class+from)*c:(f.class+to)*c])
	}
}

func (f *embedding) differentiate(_, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	return f.tape.recordGrad(Spec{
		Kind: KindEmbed + GradSuffix,
		Name: f.Name,
		Run:  f.backward,
	}, dy, f.input, given(f.Class, f.Position), nil)
}

func (f *embedding) backward(in [][]float32, out []float32) error {
	f.dy, f.dx = kernels.NewMatrix(in[0], f.in.images*f.tokens, f.in.channels), f.in.matrix(out)
	f.positionGrad = nil
	if f.Position != nil {
		f.positionGrad = f.Position.GradData()
		if f.resize != nil {
			clear(f.resizedGrad)
			f.positionGrad = f.resizedGrad
		}
	}
	f.tape.Pool().Run(f.in.images+sumParts, f.backwardTask)
	if f.Position != nil && f.resize != nil {
		f.resize.backward(f.Position.GradData(), f.resizedGrad)
	}
	return nil
}

// backwardTo computes the gradient of an image or, in later tasks, the sums over the images.
func (f *embedding) backwardTo(_, image int) {
	if image >= f.in.images {
		f.sumTokens(image - f.in.images)
		return
	}
	n := f.in.perImage()
	f.tape.kernels.Copy(f.dx.Slice(image*n, (image+1)*n), f.ofImage(f.dy, image))
}

// sumTokens adds the gradients of a part of the tokens over the images.
func (f *embedding) sumTokens(part int) {
	from, to := part*f.tokens/sumParts, (part+1)*f.tokens/sumParts
	c := f.in.channels
	for image := range f.in.images {
		for token := from; token < to; token++ {
			row := f.dy.Row(image*f.tokens + token)
			if f.positionGrad != nil {
				f.tape.kernels.Add(f.positionGrad[token*c:(token+1)*c], row)
			}
			if token < f.class {
				f.tape.kernels.Add(f.Class.GradData(), row)
			}
		}
	}
}

// MeanTokens adds the mean over tokens from, …, to-1 of every image of x [images, tokens, C]; the result
// is [images, C].
func MeanTokens(t *Tape, name string, x *gorgonia.Node, from, to int) (*gorgonia.Node, error) {
	shape, err := shapeOfTokens(x)
	if err == nil && (from < 0 || to > shape.perImage() || from >= to) {
		err = fmt.Errorf("tokens %d to %d of %d", from, to, shape.perImage())
	}
	if err != nil {
		return nil, fmt.Errorf("ops: mean of tokens %q: %w", name, err)
	}
	n, scale := shape.perImage(), 1/float32(to-from)
	var src, dst, dy, dx kernels.Matrix
	columns := newColumnParts(shape.images, shape.channels)
	mean := func(_, task int) {
		i, a, b := columns.task(task)
		out := dst.Row(i)[a:b]
		clear(out)
		t.kernels.ColumnSums(src.Slice(i*n+from, i*n+to).Columns(a, b), out)
		kernels.Scale(out, scale)
	}
	spread := func(_, task int) {
		i, a, b := columns.task(task)
		for row := i * n; row < (i+1)*n; row++ {
			clear(dx.Row(row)[a:b])
		}
		g := kernels.Broadcast(dy.Row(i)[a:b], to-from)
		t.kernels.Combine(dx.Slice(i*n+from, i*n+to).Columns(a, b), g, g, scale, 0)
	}
	out := kernels.Matrix{Rows: shape.images, Cols: shape.channels}
	return t.recordLayer(Spec{
		Kind: KindMeanTokens, About: TokenMean{from, to}, Name: name, Shape: tensor.Shape{shape.images, shape.channels},
		Run: func(in [][]float32, o []float32) error {
			src, dst = shape.matrix(in[0]), kernels.NewMatrix(o, out.Rows, out.Cols)
			t.Pool().Run(shape.images*columns.parts, mean)
			return nil
		},
		Grad: func(_, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			return t.recordGrad(Spec{
				Kind: KindMeanTokens + GradSuffix, Name: name,
				Run: func(in [][]float32, o []float32) error {
					dy, dx = kernels.NewMatrix(in[0], out.Rows, out.Cols), shape.matrix(o)
					t.Pool().Run(shape.images*columns.parts, spread)
					return nil
				},
			}, grad, x, nil, nil)
		},
	}, x, nil, nil)
}
