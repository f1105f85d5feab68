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
		"largest loss of top-1 (with task multilabel, of mAP), in `points`, that is accepted, with --int8")
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

// int8Accuracy is the accuracy of a model in float32 and in int8, in percent: top-1 or, with task multilabel, mAP.
type int8Accuracy struct {
	Top1Float32 *float64 `json:"top1_float32,omitempty"`
	Top1Int8    *float64 `json:"top1_int8,omitempty"`
	MAPFloat32  *float64 `json:"map_float32,omitempty"`
	MAPInt8     *float64 `json:"map_int8,omitempty"`
	Images      int      `json:"images"` // validation images
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
	} else if images, val, err = f.open(ctx, m, show); err != nil {
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
	float, n, err := f.accuracy(ctx, m, m.Model, val, pool, show, "float32")
	if err != nil {
		return nil, nil, err
	}
	int8, _, err := f.accuracy(ctx, m, q.Model, val, pool, show, "int8")
	if err != nil {
		return nil, nil, err
	}
	metric := "top-1"
	if m.MultiLabel() {
		metric = "mAP"
		result.int8Accuracy = &int8Accuracy{MAPFloat32: &float, MAPInt8: &int8, Images: n}
	} else {
		result.int8Accuracy = &int8Accuracy{Top1Float32: &float, Top1Int8: &int8, Images: n}
	}
	show.Line("%s on %s: float32 %.2f %%, int8 %.2f %%", metric, printable.Count(n, "validation image"), float, int8)
	if !(float-int8 <= f.maxLoss) {
		return nil, nil, fmt.Errorf("--int8: %s falls from %.2f %% to %.2f %%, by more than %g points: "+
			"nothing is written; --report shows the error of each layer, --float keeps one in float32, "+
			"--max-loss accepts more",
			metric, float, int8, f.maxLoss)
	}
	return &out, result, nil
}

// accuracy evaluates a model on the validation images. It returns the top-1 accuracy or, with task multilabel,
// mAP, in percent, and the number of images.
func (f *int8Flags) accuracy(
	ctx context.Context,
	m *model.Loaded,
	net graph.Model,
	val data.Dataset,
	pool *kernels.Pool,
	show *train.Display,
	what string,
) (percent float64, images int, err error) {
	c := m.Config
	runner, err := model.NewRunner(c.In("fp32"), net, pool)
	if err != nil {
		return 0, 0, err
	}
	t := preprocess.Evaluation(c.Data, c.Model.InChans)
	o := eval.Options{
		Batch:    c.Train.ValBatchSize,
		Workers:  c.Data.Workers,
		SkipBad:  c.Data.OnBadImage == "skip",
		Progress: func(done, _ int) { show.Step(done, "evaluation in "+what) },
	}
	show.Begin("evaluation in "+what, 0, val.Len())
	defer show.End()
	if m.MultiLabel() {
		r, err := eval.ExamineLabels(ctx, runner, val, t, o, m.AllThresholds())
		if err != nil {
			return 0, 0, err
		}
		return r.MAP, r.Count, nil
	}
	r, err := eval.Evaluate(ctx, runner, val, t, o)
	return r.Top1, r.Count, err
}

// open opens the data set: some training images, transformed as in an evaluation, and the validation images.
func (f *int8Flags) open(
	ctx context.Context, m *model.Loaded, show *train.Display,
) (images quantise.Images, val data.Dataset, err error) {
	c := m.Config
	training, val, err := sets.OpenBoth(ctx, c.Data)
	if err != nil {
		if f.data == "" {
			err = fmt.Errorf("%w; --data names another folder", err)
		}
		return images, nil, fmt.Errorf("--int8 needs the data set that the model was trained on: %w", err)
	}
	if data.IsMultiLabel(val) != m.MultiLabel() {
		return images, nil, fmt.Errorf("--int8: the model has task %s, and the data set has another kind of labels",
			c.Task)
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
	each := size * size * channels
	if most := calibrationMemory / (4 * each); images.Count > most {
		return images, nil, fmt.Errorf("--calibration-images: %s of %d×%[2]d pixels take too much memory; "+
			"take at most %d", printable.Count(images.Count, "image"), size, max(most, 1))
	}
	images.Data = make([]float32, 0, images.Count*each)
	bad := 0
	for k := range images.Count {
		x, skipped, err := calibrationImage(training, transform, c.Data.OnBadImage == "skip", k, images.Count)
		if err != nil {
			return images, nil, err
		}
		bad += skipped
		images.Data = append(images.Data, x...)
	}
	if bad > 0 {
		show.Line("note: %s cannot be read (data.on_bad_image: skip); other images are used instead",
			printable.Count(bad, "training image"))
	}
	return images, val, nil
}

// calibrationMemory is the most memory for images, in bytes.
const calibrationMemory = 4 << 30

// calibrationImage returns image k of n, which are spread evenly over a data set. If images that cannot be read
// may be skipped, the next one takes its place.
func calibrationImage(ds data.Dataset, t data.Transform, skip bool, k, n int) (x []float32, bad int, err error) {
	from, to := k*ds.Len()/n, (k+1)*ds.Len()/n
	for i := range ds.Len() { // those up to the next image first
		if x, err = data.View(ds, t, 0, 0, (from+i)%ds.Len()); err == nil || !skip {
			return x, bad, err
		}
		if from+i < to {
			bad++
		}
	}
	return nil, bad, err
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
