package viz

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"

	"fasternet/data"
	"fasternet/eval/metrics"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/layers"
)

// Heat is a map of where a model looks: [rows, cols], from 0 to 1.
type Heat struct {
	Grid
	Values []float32
	Most   float64 // the largest value before scaling to 1; 0 for a map of zeros
}

// newHeat scales values to 1.
func newHeat(values []float32, grid Grid) Heat {
	h := Heat{Grid: grid, Values: make([]float32, len(values)), Most: largest(values)}
	if h.Most > 0 {
		for i, v := range values {
			if v > 0 {
				h.Values[i] = float32(min(float64(v)/h.Most, 1))
			}
		}
	}
	return h
}

// Explanation says where a model looks in an image.
type Explanation struct {
	Index      int // of the image in the data set
	Label      int // its class
	Answer     int // the model's answer; -1 if its logits are NaN
	Confidence float64
	CAM        Heat      // Grad-CAM for the answer
	Attention  *Heat     // for a transformer with attention over the whole image: mean of the heads
	Heads      []Heat    // the attention of each head
	Pixels     []float32 // [height, width, channels] as the model gets them
}

// attentive is a model whose attention can be drawn. See [vit.Model.AttentionMaps] and
// [vit.Model.UntilBlock].
type attentive interface {
	graph.Model
	AttentionMaps(k *kernels.Set, tokens []float32, images int) ([]float32, error)
	Blocks() int
	UntilBlock(block int) (graph.Model, error)
}

// CheckBlock returns an error if the attention of a block, counted from 1, cannot be drawn.
func CheckBlock(m graph.Model, block int) error {
	a, ok := m.(attentive)
	if !ok {
		return errors.New("only a ViT has attention over the whole image to draw")
	}
	_, err := a.UntilBlock(block)
	return err
}

// untilBlock returns a runner of the model that ends with the block of the options, in the same memory; nil
// for a model without attention.
func untilBlock(r *graph.Runner, o Options) (*graph.Runner, error) {
	m, ok := r.Model.(attentive)
	switch {
	case !ok && o.Block > 0:
		return nil, CheckBlock(r.Model, o.Block)
	case !ok:
		return nil, nil
	case o.Block == 0:
		return r, nil
	}
	short, err := m.UntilBlock(o.Block)
	if err != nil {
		return nil, fmt.Errorf("viz: %w", err)
	}
	out := r.Beside(short)
	out.Precision = r.Precision
	return out, nil
}

// Explain runs Grad-CAM on images of a data set, for the class that the model answers. It leaves out
// images that cannot be read. Equal arguments give equal values.
func Explain(ctx context.Context, r *graph.Runner, ds data.Dataset, o Options) ([]Explanation, error) {
	var all []Explanation
	seen := 0
	attention, err := untilBlock(r, o)
	if err != nil {
		return nil, err
	}
	err = batches(ctx, ds, o, nil, func(b *data.Batch) error {
		bad := map[int]bool{}
		for _, s := range b.Bad {
			bad[s.At] = true
		}
		if len(bad) == b.Size {
			return nil
		}
		found, err := explain(r, attention, b, o)
		if err != nil {
			return err
		}
		pixels := len(b.Images) / b.Size
		for i := range found {
			if bad[i] {
				continue
			}
			found[i].Index, found[i].Label = b.Indices[i], b.Labels[i]
			found[i].Pixels = append([]float32(nil), b.Images[i*pixels:(i+1)*pixels]...)
			all = append(all, found[i])
		}
		seen += b.Size
		if o.Progress != nil {
			o.Progress(seen, ds.Len())
		}
		return nil
	})
	return all, err
}

// explain runs a batch. attention is the runner of the model whose last block is drawn, or nil.
func explain(r, attention *graph.Runner, b *data.Batch, o Options) ([]Explanation, error) {
	shape := graph.Shape{Batch: b.Size, Height: b.Height, Width: b.Width}
	out := make([]Explanation, b.Size)
	if !o.Headless {
		if err := camOf(r, shape, b.Images, o.MultiLabel, out); err != nil {
			return nil, err
		}
	}
	if attention == nil {
		return out, nil
	}
	m, ok := attention.Model.(attentive)
	if !ok {
		return nil, fmt.Errorf("viz: a part of a %T has no attention", r.Model)
	}
	return out, attend(attention, m, shape, b.Images, out)
}

// Attentive reports whether the attention of a model can be drawn.
func Attentive(m graph.Model) bool {
	_, ok := m.(attentive)
	return ok
}

// AttentionOf says what the drawings of a model's attention show, or why there are none; it is "" for a
// model without attention.
func AttentionOf(m graph.Model) string {
	switch m.(type) {
	case attentive:
		return attentionNote("the last block")
	case interface {
		Window(stage, height, width int) (side, shift int)
	}:
		return WindowsNote
	}
	return ""
}

// camOf runs Grad-CAM for the answers of a batch.
func camOf(r *graph.Runner, shape graph.Shape, images []float32, multiLabel bool, out []Explanation) error {
	plain, err := r.Program(shape)
	if err != nil {
		return err
	}
	logits, err := plain.Forward(images)
	if err != nil {
		return err
	}
	chosen := make([]int, shape.Batch)
	classes := len(logits) / shape.Batch
	for i := range out {
		row := logits[i*classes : (i+1)*classes]
		out[i].Answer = metrics.Answer(row)
		out[i].Confidence = probability(row, out[i].Answer)
		if multiLabel && out[i].Answer >= 0 {
			out[i].Confidence = metrics.Sigmoid(row[out[i].Answer])
		}
		chosen[i] = max(out[i].Answer, 0)
	}
	program, err := r.Explained(shape)
	if err != nil {
		return err
	}
	cam, err := program.GradCAM(images, chosen)
	if err != nil {
		return err
	}
	grid := Grid{Rows: cam.Rows, Cols: cam.Cols}
	for i := range out {
		out[i].CAM = newHeat(cam.Maps[i*grid.Size():(i+1)*grid.Size()], grid)
	}
	return nil
}

// probability returns the softmax probability of an answer; NaN without one.
func probability(row []float32, answer int) float64 {
	if answer < 0 {
		return math.NaN()
	}
	sum := 0.0
	for _, v := range row {
		sum += math.Exp(float64(v) - float64(row[answer]))
	}
	return 1 / sum
}

// attend adds the attention of the last block.
func attend(r *graph.Runner, m attentive, shape graph.Shape, images []float32, out []Explanation) error {
	program, err := r.Features(shape)
	if err != nil {
		return err
	}
	if _, err := program.Forward(images); err != nil {
		return err
	}
	tokens, dims, err := program.Feature(layers.Tokens)
	if err != nil {
		return err
	}
	maps, err := m.AttentionMaps(r.Pool().Kernels(), tokens, shape.Batch)
	if err != nil {
		return err
	}
	rows, cols, _, err := graph.MapGrid(dims, shape.Height, shape.Width)
	if err != nil {
		return err
	}
	grid := Grid{Rows: rows, Cols: cols}
	n := grid.Size()
	each := len(maps) / shape.Batch
	if each%n != 0 {
		return fmt.Errorf("viz: %d attention weights for a map of %s", each, grid)
	}
	for i := range out {
		own, mean := maps[i*each:(i+1)*each], make([]float32, n)
		for j, v := range own {
			mean[j%n] += v * float32(n) / float32(each)
		}
		heat := newHeat(mean, grid)
		out[i].Attention = &heat
		for h := range min(each/n, mostHeads) {
			out[i].Heads = append(out[i].Heads, newHeat(own[h*n:(h+1)*n], grid))
		}
	}
	return nil
}

// At returns the value at a place of the image, from 0 to 1 along each side. It interpolates between
// the centres of the cells; beyond the outer centres it keeps their values.
func (h Heat) At(y, x float64) float64 {
	row, down := between(y, h.Rows)
	col, right := between(x, h.Cols)
	value := func(i, j int) float64 {
		return float64(h.Values[min(row+i, h.Rows-1)*h.Cols+min(col+j, h.Cols-1)])
	}
	return (1-down)*((1-right)*value(0, 0)+right*value(0, 1)) + down*((1-right)*value(1, 0)+right*value(1, 1))
}

// between returns the cell whose centre comes before a place, and the distance to it, in cells.
func between(at float64, cells int) (int, float64) {
	v := min(max(at*float64(cells)-0.5, 0), float64(cells-1))
	return int(v), v - math.Floor(v)
}

// Overlay draws the map in colours over a transparent ground: invisible at 0, and stronger the
// larger the value is.
func (h Heat) Overlay(width, height int) *image.NRGBA {
	const opaque = 0.78
	m, heat := image.NewNRGBA(image.Rect(0, 0, width, height)), heatColours()
	for y := range height {
		for x := range width {
			v := h.At((float64(y)+0.5)/float64(height), (float64(x)+0.5)/float64(width))
			// Black would hide the image: the colours begin with red.
			place := int((0.3 + 0.65*v) * float64(len(heat)-1))
			c := color.NRGBAModel.Convert(heat[place]).(color.NRGBA) //nolint:forcetypeassert // of this model
			c.A = eightBit(opaque * math.Pow(v, 0.75))
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

// Over draws the map over an image.
func (h Heat) Over(picture *image.RGBA) *image.RGBA {
	size := picture.Bounds().Size()
	out, heat := image.NewRGBA(picture.Bounds()), h.Overlay(size.X, size.Y)
	for i := 0; i < len(out.Pix); i += 4 {
		a := float64(heat.Pix[i+3]) / 255
		for k := range 3 {
			out.Pix[i+k] = uint8(math.Round((1-a)*float64(picture.Pix[i+k]) + a*float64(heat.Pix[i+k])))
		}
		out.Pix[i+3] = 255
	}
	return out
}
