package graph

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"fasternet/layers"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
)

// explained is what a program for Grad-CAM adds.
type explained struct {
	chosen *gorgonia.Node // [batch, classes]: the gradient of the logits
	grad   *gorgonia.Node // of the map
	at     *gorgonia.Node // the map
	onehot []float32
}

// MapName returns the name of the value within a model that Grad-CAM explains: the value of
// [layers.Pass.TapMap], or else the last of the maps of [layers.Pass.TapStage] and the tokens of
// [layers.Pass.TapTokens]. height and width are the size of an image. It returns an error for a
// model with none of these.
func MapName(m Model, height, width int) (string, error) {
	own, last := "", ""
	_, err := sketch(m, height, width, func(p *layers.Pass) {
		p.Tap = func(name string, _ *gorgonia.Node) {
			switch {
			case name == layers.Map:
				own = name
			case name == layers.Tokens, strings.HasPrefix(name, layers.StagePrefix):
				last = name
			}
		}
	})
	switch {
	case err != nil:
		return "", err
	case own != "":
		return own, nil
	case last != "":
		return last, nil
	}
	return "", fmt.Errorf("graph: a %T has no map to explain: "+
		"its Forward must call Pass.TapMap, Pass.TapStage or Pass.TapTokens", m)
}

// Explained returns a program of one image size for [Program.GradCAM].
func (r *Runner) Explained(s Shape) (*Program, error) {
	s.Train = false
	return r.program(s, explaining)
}

// differentiateMap adds the backward ops from the logits to the map.
func (p *Program) differentiateMap(m Model) error {
	e := p.explained
	if e.at == nil {
		return fmt.Errorf("graph: a %T shows its map in some graphs and not in others", m)
	}
	norms := map[*ops.Param]bool{}
	for _, n := range m.Store().Norms {
		norms[n.Weight] = true
	}
	after := p.tape.RecordedAfter(e.at)
	if len(after) == 0 {
		return fmt.Errorf("graph: nothing comes after the map of a %T", m)
	}
	for _, r := range after {
		for _, q := range r.Params {
			// in a graph for training it uses the statistics of the batch, and changes the running ones
			if norms[q] {
				return fmt.Errorf("graph: %s is a batch norm after the map that Grad-CAM explains: "+
					"want a folded form (graph.Foldable), or Pass.TapMap after it", r.Name)
			}
			q.NeedGrad()
		}
	}
	e.onehot = make([]float32, p.Batch*m.Classes())
	e.chosen = p.tape.Input("chosen", p.Batch, m.Classes())
	var err error
	if e.grad, err = p.tape.Pullback(p.logits, e.chosen, e.at); err != nil {
		return err
	}
	p.tape.Keep(e.grad)
	return nil
}

// CAM is the result of Grad-CAM for a batch of images. Its values are valid until the next run of
// any program of the runner.
type CAM struct {
	Rows, Cols int       // of the map
	Maps       []float32 // [batch, rows, cols]: at least 0; not scaled
	Weights    []float32 // [batch, channels]: mean gradients
	Logits     []float32 // [batch, classes]
}

// GradCAM runs the model on images [batch, height, width, channels] and explains a class of each
// (Selvaraju et al., 2017). The weight of a channel is the mean over the map of the gradient of
// that class's logit. The map of an image is the sum of the channels, each times its weight, or 0
// where the sum is negative. It changes gradients of parameters, but no statistics of the model.
func (p *Program) GradCAM(images []float32, classes []int) (*CAM, error) {
	e := p.explained
	if e == nil {
		return nil, fmt.Errorf("graph: GradCAM on a program that is not for it: want Runner.Explained")
	}
	if len(classes) != p.Batch {
		return nil, fmt.Errorf("graph: GradCAM of %d classes for %d images", len(classes), p.Batch)
	}
	clear(e.onehot)
	outputs := len(e.onehot) / p.Batch
	for i, c := range classes {
		if c < 0 || c >= outputs {
			return nil, fmt.Errorf("graph: GradCAM of class %d: want one from 0 to %d", c, outputs-1)
		}
		e.onehot[i*outputs+c] = 1
	}
	if err := Bind(p.images, images); err != nil {
		return nil, err
	}
	if err := Bind(e.chosen, e.onehot); err != nil {
		return nil, err
	}
	for _, d := range p.drops { // as in evaluation
		for i := range d.keep {
			d.keep[i] = 1
		}
	}
	if err := p.tape.Run(p.machine); err != nil {
		return nil, err
	}
	rows, cols, skip, err := MapGrid(e.at.Shape(), p.Height, p.Width)
	if err != nil {
		return nil, err
	}
	channels, n := e.at.Shape()[e.at.Shape().Dims()-1], rows*cols
	out := &CAM{
		Rows: rows, Cols: cols, Logits: p.tape.Value(p.logits),
		Maps: make([]float32, p.Batch*n), Weights: make([]float32, p.Batch*channels),
	}
	values, grads := p.tape.Value(e.at), p.tape.Value(e.grad)
	sums := make([]float64, channels)
	for i := range p.Batch {
		from := (i*(n+skip) + skip) * channels
		clear(sums)
		for j, g := range grads[from : from+n*channels] {
			sums[j%channels] += float64(g)
		}
		for c := range sums {
			sums[c] /= float64(n)
			out.Weights[i*channels+c] = float32(sums[c])
		}
		for k := range n {
			total := 0.0
			for c, v := range values[from+k*channels : from+(k+1)*channels] {
				total += sums[c] * float64(v)
			}
			out.Maps[i*n+k] = float32(max(total, 0))
		}
	}
	return out, nil
}

// MapGrid returns the rows and columns of a map [batch, rows, cols, channels]. For tokens
// [batch, skip + rows·cols, channels] it also returns skip, the number of tokens before them: 1 for a
// class token.
func MapGrid(shape []int, height, width int) (rows, cols, skip int, err error) {
	switch len(shape) {
	case 4:
		return shape[1], shape[2], 0, nil
	case 3:
		n := shape[1] - 1
		rows = int(math.Round(math.Sqrt(float64(n) * float64(height) / float64(width))))
		if rows > 0 && n%rows == 0 {
			return rows, n / rows, 1, nil
		}
	}
	return 0, 0, 0, fmt.Errorf("graph: a map of shape %v for images of %d×%d: "+
		"want [batch, height, width, channels], or [batch, 1 + height·width, channels]",
		slices.Clone(shape), height, width)
}
