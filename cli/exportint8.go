package cli

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/preprocess"
	"fasternet/data/sets"
	"fasternet/eval"
	"fasternet/export"
	"fasternet/export/quantise"
	"fasternet/graph"
	"fasternet/internal/printable"
	"fasternet/internal/rng"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/train"

	"github.com/spf13/cobra"
)

// int8Flags say how to quantise a model to int8.
type int8Flags struct {
	on      bool
	images  int
	method  string
	float   []string
	maxLoss float64
	report  bool
	data    string
}

// Defaults: images to measure ranges on, and the accepted loss of top-1 in points.
const (
	calibrationImages = 256
	acceptedLoss      = 1
)

func (f *int8Flags) register(c *cobra.Command) {
	flags := c.Flags()
	flags.BoolVar(&f.on, "int8", false, "quantise weights and maps to int8; "+
		"ranges are measured on training images, and accuracy on the validation images")
	flags.IntVar(&f.images, "calibration-images", calibrationImages,
		"training `images` to measure ranges of values on, with --int8")
	flags.StringVar(&f.method, "calibration", string(quantise.MSE), "`how` to choose ranges, with --int8: "+
		"mse (least squared error), percentile (all but one value in 10,000 on either side) or minmax")
	flags.StringArrayVar(&f.float, "float", nil, "keep this `layer` in float32, with --int8: "+
		"a name or a pattern with *, e.g. 'stages.0.*'; repeatable")
	flags.Float64Var(&f.maxLoss, "max-loss", acceptedLoss,
		"largest loss of top-1, in `points`, that is accepted, with --int8")
	flags.BoolVar(&f.report, "report", false, "print the error of each layer, with --int8")
	flags.StringVar(&f.data, "data", "", "`folder` of the data set, with --int8 or --temperature fit")
}

// check finds options that contradict each other.
func (f *int8Flags) check(changed func(string) bool) error {
	if !f.on {
		for _, name := range []string{"calibration-images", "calibration", "float", "max-loss", "report"} {
			if changed(name) {
				return fmt.Errorf("--%s goes with --int8", name)
			}
		}
		return nil
	}
	if _, err := quantise.ParseMethod(f.method); err != nil {
		return fmt.Errorf("--calibration: %w", err)
	}
	const most = 1 << 16
	if f.images < 1 || f.images > most {
		return fmt.Errorf("--calibration-images: want 1 to %d, got %d", most, f.images)
	}
	if !(f.maxLoss >= 0 && f.maxLoss <= 100) {
		return fmt.Errorf("--max-loss: want 0 to 100 points, got %g", f.maxLoss)
	}
	return nil
}

// int8Accuracy is the accuracy of a model in float32 and in int8.
type int8Accuracy struct {
	Float32 float64 `json:"top1_float32"` // percent
	Int8    float64 `json:"top1_int8"`    // percent
	Images  int     `json:"images"`       // validation images
}

// int8Result has the further fields of the JSON line.
type int8Result struct {
	*int8Accuracy                // nil for fresh weights
	Calibrated    int            `json:"calibration_images"`
	Float         []string       `json:"float_layers,omitempty"`
	Layers        []quantise.Row `json:"layers,omitempty"`
}

// run makes the int8 model. fresh says that the weights are fresh.
func (f *int8Flags) run(
	ctx context.Context,
	m *model.Loaded,
	fresh bool,
	pool *kernels.Pool,
	show *train.Display,
) (*model.Loaded, *int8Result, error) {
	method, err := quantise.ParseMethod(f.method)
	if err != nil {
		return nil, nil, err
	}
	if err := quantise.Able(m.Model); err != nil {
		return nil, nil, fmt.Errorf("--int8: %w", err)
	}
	var images quantise.Images
	var val data.Dataset
	if fresh {
		images = randomImages(m.Config, m.Model.Channels(), min(f.images, 8))
	} else if images, val, err = f.open(m, show); err != nil {
		return nil, nil, err
	}
	show.Line("int8: measuring the values of each layer on %s", printable.Count(images.Count, "image"))
	q, err := quantise.Run(m.Config, m.Model, images, quantise.Options{Method: method, Float: f.float})
	if err != nil {
		return nil, nil, fmt.Errorf("--int8: %w", err)
	}
	for _, n := range q.Notes {
		show.Line("note: %s", n)
	}
	out := *m
	out.Model = q.Model
	result := &int8Result{Calibrated: images.Count, Float: q.Float}
	if f.report {
		if result.Layers, err = quantise.Report(m.Config, m.Model, q.Model, images, pool); err != nil {
			return nil, nil, err
		}
		if err := printRows(result.Layers); err != nil {
			return nil, nil, err
		}
	}
	if fresh {
		return &out, result, nil
	}
	a := &int8Accuracy{}
	for _, of := range []struct {
		name string
		net  graph.Model
		to   *float64
	}{{"float32", m.Model, &a.Float32}, {"int8", q.Model, &a.Int8}} {
		r, err := f.top1(ctx, m.Config, of.net, val, pool, show, of.name)
		if err != nil {
			return nil, nil, err
		}
		*of.to, a.Images = r.Top1, r.Count
	}
	result.int8Accuracy = a
	lost := a.Float32 - a.Int8
	show.Line("top-1 on %s: float32 %.2f %%, int8 %.2f %%",
		printable.Count(a.Images, "validation image"), a.Float32, a.Int8)
	if lost > f.maxLoss {
		return nil, nil, fmt.Errorf("--int8: top-1 falls from %.2f %% to %.2f %%, by more than %g points: "+
			"nothing is written; --report shows the error of each layer, --float keeps one in float32, "+
			"--max-loss accepts more",
			a.Float32, a.Int8, f.maxLoss)
	}
	return &out, result, nil
}

// top1 evaluates a model on the validation images.
func (f *int8Flags) top1(
	ctx context.Context,
	c *configs.Config,
	net graph.Model,
	val data.Dataset,
	pool *kernels.Pool,
	show *train.Display,
	what string,
) (eval.Result, error) {
	runner, err := model.NewRunner(c.In("fp32"), net, pool)
	if err != nil {
		return eval.Result{}, err
	}
	show.Begin("evaluation in "+what, 0, val.Len())
	defer show.End()
	return eval.Evaluate(ctx, runner, val, preprocess.Evaluation(c.Data, c.Model.InChans), eval.Options{
		Batch:    c.Train.ValBatchSize,
		Workers:  c.Data.Workers,
		Progress: func(done, _ int) { show.Step(done, "evaluation in "+what) },
	})
}

// open opens the data set: some training images, transformed as in an evaluation, and the validation images.
func (f *int8Flags) open(m *model.Loaded, show *train.Display) (images quantise.Images, val data.Dataset, err error) {
	c := m.Config
	training, err := sets.Open(c.Data, true)
	if err == nil {
		val, err = sets.Open(c.Data, false)
	}
	if err != nil {
		if f.data == "" {
			err = fmt.Errorf("%w; --data names another folder", err)
		}
		return images, nil, fmt.Errorf("--int8 needs the data set that the model was trained on: %w", err)
	}
	val, note, err := eval.ForModel(val, m.Classes, m.Model.Classes())
	if err != nil {
		return images, nil, err
	}
	if note != "" {
		show.Line("note: %s", note)
	}
	channels := m.Model.Channels()
	transform := preprocess.Evaluation(c.Data, channels)
	if err := transform.Validate(); err != nil {
		return images, nil, err
	}
	size := c.Data.ImageSize
	images = quantise.Images{Count: min(f.images, training.Len()), Height: size, Width: size, Channels: channels}
	for k := range images.Count {
		x, err := data.View(training, transform, 0, 0, k*training.Len()/images.Count)
		if err != nil {
			return images, nil, err
		}
		images.Data = append(images.Data, x...)
	}
	return images, val, nil
}

// randomImages returns images for a model with fresh weights.
func randomImages(c *configs.Config, channels, n int) quantise.Images {
	size := c.Data.ImageSize
	images := quantise.Images{Count: n, Height: size, Width: size, Channels: channels}
	images.Data = make([]float32, n*size*size*channels)
	r := rng.New(0, rng.Bench)
	for i := range images.Data {
		images.Data[i] = float32(r.NormFloat64())
	}
	return images
}

// printRows prints the errors of the layers.
func printRows(rows []quantise.Row) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	printable.Fprintf(w, "layer\tformat\terror of its values (SQNR)\terror of the logits if it alone is int8\n")
	for _, r := range rows {
		alone := ""
		if r.Format == export.Int8 {
			alone = fmt.Sprintf("%.1f dB", r.Alone)
		}
		values := ""
		if r.Values != nil {
			values = fmt.Sprintf("%.1f dB", *r.Values)
		}
		printable.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Name, r.Format, values, alone)
	}
	return w.Flush()
}
