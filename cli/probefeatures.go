package cli

import (
	"errors"
	"fmt"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/sets"
	"fasternet/eval"
	"fasternet/eval/predict"
	"fasternet/eval/probe"
	"fasternet/graph"
	"fasternet/internal/printable"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/train"

	"github.com/spf13/cobra"
)

// aboutProbes is the common help of knn and linprobe.
const aboutProbes = `The encoder is frozen: any model that "eval" reads, the run of a pre-training, or an export of its
encoder. The features of the training and the validation images are the same as in "features
--stage pooled", with the transform of evaluation; --stage chooses others (the mean of maps).
--max-per-class keeps a few training images per class, drawn by --seed. Most of the time goes into
the features: --dump writes them to a file, and --load reads it instead of MODEL.`

// probeFlags choose the features of knn and linprobe.
type probeFlags struct {
	modelFlags
	dataDir, stage, dump, load string
	few                        int
	seed                       uint64
	dry                        dryRun
}

func (f *probeFlags) register(c *cobra.Command) {
	f.modelFlags.register(c)
	f.dry.register(c)
	c.Flags().StringVar(&f.dataDir, "data", "", "`folder` of the data set")
	c.Flags().
		StringVar(&f.stage, "stage", predict.Pooled, "`which` features: pooled, prelogits, or the number of a stage")
	c.Flags().IntVar(&f.few, "max-per-class", 0, "training images per class; 0 for all")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "seed of all random choices")
	c.Flags().StringVar(&f.dump, "dump", "", "write the features to `FILE`.safetensors")
	c.Flags().StringVar(&f.load, "load", "", "read the features from a `FILE` of --dump")
	for _, name := range []string{
		"data", "stage", "dump", "config", "set", "weights", "ema", "state-key", "allow-missing", "allow-nan",
		"size", "batch", "crop-ratio", "on-bad-image",
	} {
		c.MarkFlagsMutuallyExclusive("load", name) // these flags need a model
	}
}

// encoder is an opened model with its data set.
type encoder struct {
	*probe.Dumped
	config     *configs.Config
	runner     *graph.Runner
	train, val data.Dataset
	which      string
}

// images returns the number of training images.
func (e *encoder) images() int {
	if e.Train == nil {
		return e.train.Len() // their features are not computed yet
	}
	return e.Train.Len()
}

// check finds wrong options before any work.
func (f *probeFlags) check() error {
	if f.few < 0 {
		return usageError{fmt.Errorf("--max-per-class: want 0 or more, got %d", f.few)}
	}
	switch {
	case f.load == "" && f.path == "":
		return usageError{errors.New("want MODEL (a checkpoint or the folder of a run), " +
			"or --load with a file of features")}
	case f.load != "" && f.path != "":
		return usageError{fmt.Errorf("--load replaces MODEL, but %s is given: leave one out", f.path)}
	}
	which, err := predict.FeatureName(f.stage)
	if err != nil || which == predict.AllStages {
		return usageError{fmt.Errorf("--stage: want pooled, prelogits, or the number of a stage, got %q", f.stage)}
	}
	return checkOutputs(output{"--dump", f.dump, probe.CheckDumpFile})
}

// features loads or computes the features of the validation images, and of the training images if requested.
// The pool must be closed; with --dry-run nothing is computed, and there is no pool.
func (f *probeFlags) features(c *cobra.Command, show *train.Display, training bool) (*encoder, *kernels.Pool, error) {
	if f.load != "" {
		d, err := probe.Load(f.load)
		if err != nil {
			return nil, nil, err
		}
		if f.few > 0 {
			d.Train = d.Train.Few(f.few, f.seed)
		}
		if f.threads < 0 {
			return nil, nil, usageError{fmt.Errorf("--threads: want 0 or more, got %d", f.threads)}
		}
		if f.dry.asked {
			return &encoder{Dumped: d}, nil, nil
		}
		return &encoder{Dumped: d}, kernels.NewPool(f.threads), nil
	}
	f.modelFlags.load.Encoder = true
	m, config, err := openInference(&f.modelFlags, f.dataDir)
	if err != nil {
		return nil, nil, err
	}
	e := &encoder{config: config}
	if e.which, err = predict.FeatureName(f.stage); err != nil {
		return nil, nil, err
	}
	if err := m.HasFeatures(e.which); err != nil {
		return nil, nil, usageError{fmt.Errorf("--stage %s: %w", f.stage, err)}
	}
	if e.train, e.val, err = sets.OpenBoth(c.Context(), config.Data); err != nil {
		return nil, nil, err
	}
	if data.IsMultiLabel(e.train) {
		return nil, nil, usageError{fmt.Errorf("%s needs one label per image, but data.multi_label is true: "+
			"give another data set with --data, --set task=classify and --set data.multi_label=false",
			c.Name())}
	}
	var notes []string
	if e.val, notes, err = eval.WithClassesOf(e.train, e.val); err != nil {
		return nil, nil, err
	}
	if f.few > 0 {
		e.train = data.Few(e.train, f.few, f.seed)
	}
	pool := kernels.NewPool(config.Threads)
	if e.runner, err = model.NewRunner(config, m.Model, pool); err != nil {
		pool.Close()
		return nil, nil, err
	}
	if f.dry.asked {
		pool.Close()
		return e, nil, nil
	}
	show.Line("features of %s: %d training and %s, %s, %s",
		which(m), e.train.Len(), printable.Count(e.val.Len(), "validation image"),
		printable.Count(pool.Workers(), "thread"), pool.Kernels().Describe(e.runner.Format()))
	for _, note := range append(notes, eval.Notes(config.Data, e.train, e.val)...) {
		show.Line("note: %s", note)
	}
	if n := eval.ShuffleNote(config.Data); n != "" {
		show.Line("note: %s", n)
	}
	showKnown(show, m.Path, config.Data)
	e.Dumped = &probe.Dumped{Model: m.Path, Which: e.which, Weights: m.Used()}
	if err := e.extract(c, f, show, training); err != nil {
		pool.Close()
		return nil, nil, err
	}
	return e, pool, nil
}

// sayDry says what knn or linprobe would do with an encoder that has only been opened.
func (f *probeFlags) sayDry(verb string, e *encoder, writes ...string) error {
	if e.Dumped != nil { // read by --load
		return f.dry.say(fmt.Sprintf("%s the features of %d training and %d validation images in %s",
			verb, e.Train.Len(), e.Val.Len(), f.load), writes...)
	}
	return f.dry.say(fmt.Sprintf(
		"compute the features %s of %d training and %d validation images with %s, and %s them",
		e.which, e.train.Len(), e.val.Len(), f.path, verb), append(writes, f.dump)...)
}

// extract computes the features, and writes them if requested.
func (e *encoder) extract(c *cobra.Command, f *probeFlags, show *train.Display, training bool) (err error) {
	if training {
		if e.Train, err = e.part(c, f, "training images", e.train, show); err != nil {
			return err
		}
	}
	if e.Val, err = e.part(c, f, "validation images", e.val, show); err != nil || f.dump == "" {
		return err
	}
	return probe.Dump(f.dump, e.Dumped)
}

func (e *encoder) part(
	c *cobra.Command,
	f *probeFlags,
	name string,
	ds data.Dataset,
	show *train.Display,
) (*probe.Set, error) {
	s, skipped, err := probe.Extract(c.Context(), e.runner, ds, f.inputs(e.config, show, name, true), e.which)
	show.End()
	if err != nil {
		return nil, err
	}
	showSkipped(show, skipped, false)
	return s, nil
}

// source describes the features in the last line of knn and linprobe.
type source struct {
	Count         int    `json:"count"` // validation images
	TrainingCount int    `json:"training_count"`
	Features      string `json:"features"`
	Width         int    `json:"width"`
	Model         string `json:"model"`
	Weights       string `json:"weights,omitempty"` // ema or plain
}

func (e *encoder) source() source {
	return source{e.Val.Len(), e.Train.Len(), e.Which, e.Val.Width, e.Model, e.Weights}
}
