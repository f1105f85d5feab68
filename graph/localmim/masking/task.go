package masking

import (
	"fmt"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/graph/localmim"
	"fasternet/internal/rng"
)

// Task makes masks and targets of the samples of a loader for a LocalMIM: it is a [data.Extra], and
// Batch.Extra is then a *[Batch]. Everything follows from the image and the position in the run.
type Task struct {
	net       *localmim.Model
	target    Target
	scales    []configs.MIMScale
	side      int  // units along a side of an image
	visible   int  // units of an image
	perSample bool // each image has its own mask
}

// ForTraining returns the task to train a model. Its targets use the current constants of the model.
func ForTraining(net *localmim.Model) (*Task, error) {
	return newTask(net, net.Config().MIM.MaskPer == "sample")
}

// ForEvaluation is [ForTraining] with a mask for each image, even if the configuration has one for
// a batch. The mask depends only on the seed and the index of the image, so that results do not
// depend on the size of the batches.
func ForEvaluation(net *localmim.Model) (*Task, error) { return newTask(net, true) }

func newTask(net *localmim.Model, perSample bool) (*Task, error) {
	t := &Task{net: net, scales: net.Scales(), perSample: perSample}
	t.side, t.visible = net.Units()
	var err error
	if t.target, err = targetOf(net); err != nil {
		return nil, err
	}
	for k, s := range t.scales {
		if cells, values := t.target.Shape(k); cells != s.Grid*s.Grid || values != s.Values {
			return nil, fmt.Errorf("masking: decoder %d reconstructs %d×%d cells of %d values, but "+
				"its target has %d of %d", k+1, s.Grid, s.Grid, s.Values, cells, values)
		}
		if s.Grid%t.side != 0 && t.side%s.Grid != 0 {
			return nil, fmt.Errorf("masking: decoder %d: neither do %d×%[2]d cells divide %d×%[3]d "+
				"mask units, nor these the cells", k+1, s.Grid, t.side)
		}
	}
	return t, nil
}

// targetOf makes the target that a configuration names.
func targetOf(net *localmim.Model) (Target, error) {
	c := net.Config()
	size, channels := c.Data.ImageSize, net.Channels()
	var cells []int
	var bias [][2]float32
	for k, s := range net.Scales() {
		cells, bias = append(cells, s.Cell), append(bias, net.HOGBias(k))
	}
	switch c.MIM.Target {
	case "hog":
		return NewHOG(size, size, channels, c.MIM.NBins, cells, bias)
	case "pixel":
		return NewPixels(size, size, channels, cells, c.MIM.NormPixLoss)
	default:
		return nil, fmt.Errorf("masking: mim.target: want hog or pixel, got %q", c.MIM.Target)
	}
}

// Target returns the target of the task.
func (t *Task) Target() Target { return t.target }

// Validate implements [data.Extra].
func (t *Task) Validate(_, height, width, channels int) error {
	if size := t.net.Config().Data.ImageSize; height != size || width != size || channels != t.net.Channels() {
		return fmt.Errorf("masking: the task is for images [%d, %d, %d]; the loader makes [%d, %d, %d]",
			size, size, t.net.Channels(), height, width, channels)
	}
	return nil
}

// New implements [data.Extra]: it returns a *[Batch].
func (t *Task) New(size int) any {
	n := len(t.scales)
	b := &Batch{Targets: make([][]float32, n), Weights: make([][]float32, n), Shared: !t.perSample}
	for _, s := range t.scales {
		cells := size * s.Grid * s.Grid
		b.targets = append(b.targets, make([]float32, cells*s.Values))
		b.weights = append(b.weights, make([]float32, cells))
	}
	b.mask, b.kept = make([]float32, size*t.side*t.side), make([]int32, size*t.visible)
	return b
}

// Sample implements [data.Extra].
func (t *Task) Sample(dst any, image []float32, at data.Position) error {
	b := dst.(*Batch)
	own := make([][]float32, len(b.targets))
	for k, s := range t.scales {
		n := s.Grid * s.Grid * s.Values
		own[k] = b.targets[k][at.Place*n:][:n]
	}
	if err := t.target.Compute(own, image); err != nil {
		return err
	}
	if t.perSample {
		t.draw(b, at.Place, at.Seed, at.Epoch, at.Index)
	}
	return nil
}

// draw makes the mask of an image and everything that follows from it.
func (t *Task) draw(b *Batch, place int, seed uint64, epoch, index int) {
	units := t.side * t.side
	kept, mask := b.kept[place*t.visible:][:t.visible], b.mask[place*units:][:units]
	t.net.Draw(kept, rng.New(seed, rng.Mask, uint64(epoch), uint64(index)))
	for u := range mask {
		mask[u] = 1
	}
	for _, u := range kept {
		mask[u] = 0
	}
	for k, s := range t.scales {
		cells := s.Grid * s.Grid
		scaleMask(b.weights[k][place*cells:][:cells], s.Grid, mask, t.side)
	}
}

// Complete implements [data.Extra].
func (t *Task) Complete(dst any, at data.Position) error {
	b, n, units := dst.(*Batch), at.Size, t.side*t.side
	if b.Kept = b.kept[:n*t.visible]; b.Shared {
		t.draw(b, 0, at.Seed, at.Epoch, at.Step)
		b.Kept = b.kept[:t.visible]
		repeat(b.mask[:n*units], units)
	}
	b.Mask = b.mask[:n*units]
	for k, s := range t.scales {
		cells := s.Grid * s.Grid
		b.Targets[k], b.Weights[k] = b.targets[k][:n*cells*s.Values], b.weights[k][:n*cells]
		if b.Shared {
			repeat(b.Weights[k], cells)
		}
	}
	return nil
}

// repeat copies the part of the first image, n values, to the others.
func repeat(x []float32, n int) {
	for rest := x[n:]; len(rest) > 0; rest = rest[n:] {
		copy(rest, x[:n])
	}
}
