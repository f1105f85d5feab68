package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/eval"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/layers"
	"fasternet/mim"
	"fasternet/model"
)

// pretraining trains a LocalMIM on images without their labels. Masks and
// targets are made by the loader's workers, ahead of the step.
type pretraining struct {
	config     *configs.Config
	train, val data.Dataset
	net        *graph.LocalMIM
	runner     *graph.MIMRunner
	kept       []int32   // visible units of a batch
	scales     []float64 // of the last evaluation
}

func newPretraining(c *configs.Config, train, val data.Dataset, pool *kernels.Pool) (*pretraining, error) {
	net, err := graph.NewLocalMIM(c, c.Seed)
	if err != nil {
		return nil, err
	}
	return &pretraining{config: c, train: train, val: val, net: net, runner: graph.NewMIMRunner(net, pool)}, nil
}

func (t *pretraining) store() *layers.Store { return t.net.Store() }

// layered: the recipe of pre-training has one learning rate for all layers.
func (t *pretraining) layered() (graph.Layered, bool) { return nil, false }

func (t *pretraining) describe() string {
	c := t.config
	side, visible := c.MIMUnits()
	var grids []string
	for _, s := range t.net.Scales() {
		grids = append(grids, fmt.Sprintf("%d×%d cells behind %d", s.Grid, s.Grid, s.Tap))
	}
	return fmt.Sprintf("localmim of a %s: %d parameters with the decoders; %d of %d units of %d px visible; %s targets of %s; %d training and %d validation images",
		c.Model.Name, t.net.Store().Parameters(), visible, side*side, c.MIM.MaskUnit, c.MIM.Target, strings.Join(grids, ", "), t.train.Len(), t.val.Len())
}

func (t *pretraining) prepare() error {
	_, err := t.runner.Program(t.config.Train.BatchSize, true)
	return err
}

// data is what makes masks and targets. The constants of its targets are those
// of the model now.
func (t *pretraining) data() (*mim.Task, error) {
	c, size := t.config, t.config.Data.ImageSize
	var masks mim.Masks
	var err error
	if c.Model.Name == "swin" {
		var taps []int
		for _, tap := range c.MIM.Taps {
			taps = append(taps, tap-1)
		}
		masks, err = mim.NewPyramid(mim.PyramidOptions{
			Height: size, Width: size, Patch: c.Model.PatchSize, Stages: len(c.Model.Depths), Unit: c.MIM.MaskUnit / c.Model.PatchSize,
			Ratio: c.MIM.MaskRatio, Window: c.Model.WindowSize, Taps: taps, PerSample: c.MIM.MaskPer == "sample", Official: c.MIM.Coordinates == "official",
		})
	} else {
		masks, err = mim.NewColumnar(size, size, c.Model.PatchSize, c.MIM.MaskRatio, c.MIM.Scales)
	}
	if err != nil {
		return nil, err
	}
	var target mim.Target
	if c.MIM.Target == "pixel" {
		target, err = mim.NewPixels(size, size, c.Model.InChans, masks.Cells(), c.MIM.NormPixLoss)
	} else {
		var bias [][2]float32
		for k := range t.net.Scales() {
			bias = append(bias, t.net.HOGBias(k))
		}
		target, err = mim.NewHOG(size, size, c.Model.InChans, c.MIM.NBins, masks.Cells(), bias)
	}
	if err != nil {
		return nil, err
	}
	return mim.NewTask(size, size, c.Model.InChans, masks, target)
}

func (t *pretraining) fill(o *data.LoaderOptions) error {
	extra, err := t.data()
	o.Extra = extra
	return err
}

// masked is a batch as the graph wants it.
func (t *pretraining) masked(b *data.Batch) graph.Masked {
	e := b.Extra.(*mim.Batch)
	m := graph.Masked{Images: b.Images, Targets: e.Targets, Weights: e.Weights, Kept: e.Keep}
	if t.config.Model.Name == "swin" { // Keep lists patches, not units
		units := len(e.Mask) / b.Size
		images := b.Size
		if t.config.MIM.MaskPer == "batch" {
			images = 1
		}
		t.kept = t.kept[:0]
		for i, v := range e.Mask[:images*units] {
			if v == 0 {
				t.kept = append(t.kept, int32(i%units))
			}
		}
		m.Kept = t.kept
	}
	return m
}

func (t *pretraining) run(b *data.Batch, train bool) (float32, []float64, error) {
	program, err := t.runner.Program(b.Size, train)
	if err != nil {
		return 0, nil, err
	}
	loss, err := program.Run(t.masked(b))
	return loss, program.ScaleLosses(), err
}

func (t *pretraining) gradients(b *data.Batch, _ graph.Position) (float32, []float64, error) {
	return t.run(b, true)
}

// evaluate is the loss on the validation images, with the same masks every time.
func (t *pretraining) evaluate(ctx context.Context, progress func(done int)) (r eval.Result, err error) {
	c := t.config
	extra, err := t.data()
	if err != nil {
		return r, err
	}
	loader, err := data.NewLoader(t.val, data.LoaderOptions{
		Batch: min(c.Train.ValBatchSize, max(t.val.Len(), 1)), Workers: c.Data.Workers, Prefetch: c.Data.Prefetch,
		Seed: c.Seed, Transform: eval.Transform(c.Data, c.Model.InChans), Extra: extra,
	})
	if err != nil {
		return r, err
	}
	it := loader.Epoch(ctx, 0, 0)
	defer it.Close()
	t.scales = make([]float64, len(t.net.Scales()))
	for {
		b, err := it.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return r, err
		}
		loss, scales, err := t.run(b, false)
		if err != nil {
			return r, err
		}
		r.Loss += float64(loss) * float64(b.Size)
		for k, l := range scales {
			t.scales[k] += l * float64(b.Size)
		}
		r.Count += b.Size
		progress(r.Count)
	}
	r.Loss /= float64(max(r.Count, 1))
	for k := range t.scales {
		t.scales[k] /= float64(max(r.Count, 1))
	}
	return r, nil
}

func (t *pretraining) start(path string, o model.LoadOptions) error {
	return model.StartPretraining(t.net, path, o)
}

func (t *pretraining) result(r eval.Result) string {
	return fmt.Sprintf("validation loss %.4f = %s", r.Loss, sum(t.scales))
}

// sum shows the losses of the scales.
func sum(scales []float64) string {
	var parts []string
	for _, s := range scales {
		parts = append(parts, fmt.Sprintf("%.3f", s))
	}
	return strings.Join(parts, " + ")
}
