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
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/train"

	"github.com/spf13/cobra"
)

// aboutProbes says what knn and linprobe have in common.
const aboutProbes = `The encoder is frozen: any model that "eval" reads, or the run of a pre-training. Its
features of the training and the validation images are those of "features --stage
pooled", with the transform of evaluation, or of another --stage (of maps, the mean).
--max-per-class keeps a few training images of each class, drawn by --seed. --dump
writes the features to a file that --load reads in the place of MODEL, since most of
the time goes into them.`

// probeFlags say which features knn and linprobe are about.
type probeFlags struct {
	modelFlags
	dataDir, stage, dump, load string
	few                        int
	seed                       uint64
}

func (f *probeFlags) register(c *cobra.Command) {
	f.modelFlags.register(c)
	c.Flags().StringVar(&f.dataDir, "data", "", "`folder` of the data set")
	c.Flags().StringVar(&f.stage, "stage", predict.Pooled, "`which` features: pooled, prelogits, or the number of a stage")
	c.Flags().IntVar(&f.few, "max-per-class", 0, "training images of each class; 0 for all")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "of all that is random")
	c.Flags().StringVar(&f.dump, "dump", "", "write the features to `FILE`.safetensors")
	c.Flags().StringVar(&f.load, "load", "", "take the features of a `FILE` that --dump wrote")
	for _, name := range []string{"data", "stage", "dump", "config", "set", "weights", "ema", "state-key", "allow-missing", "allow-nan", "size", "batch", "crop-ratio", "on-bad-image"} {
		c.MarkFlagsMutuallyExclusive("load", name) // they are about a model
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

// images is the number of training images.
func (e *encoder) images() int {
	if e.Train == nil {
		return e.train.Len() // their features are still to come
	}
	return e.Train.Len()
}

// check finds what is wrong with the options before any work.
func (f *probeFlags) check() error {
	if f.few < 0 {
		return usageError{fmt.Errorf("--max-per-class: want 0 or more, got %d", f.few)}
	}
	switch {
	case f.load == "" && f.path == "":
		return usageError{errors.New("want MODEL, a checkpoint or the folder of a run; or --load with a file of features")}
	case f.load != "" && f.path != "":
		return usageError{fmt.Errorf("--load: it takes the place of MODEL, and there is %s: want one of them", f.path)}
	}
	which, err := predict.FeatureName(f.stage)
	if err != nil || which == predict.AllStages {
		return usageError{fmt.Errorf("--stage: want pooled, prelogits, or the number of a stage, got %q", f.stage)}
	}
	return checkOutputs(output{"--dump", f.dump, probe.CheckDumpFile})
}

// features loads the features, or computes them: of the validation images, and of
// the training images if they are asked for. The pool has to be closed.
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
	if e.train, e.val, err = sets.OpenBoth(config.Data); err != nil {
		return nil, nil, err
	}
	if data.IsMultiLabel(e.train) {
		return nil, nil, usageError{fmt.Errorf("%s is for images with one label, and these have any number (data.multi_label): give it another data set, with --data, --set task=classify and --set data.multi_label=false", c.Name())}
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
	show.Line("features of %s: %d training and %d validation images, %d threads, %s", which(m), e.train.Len(), e.val.Len(), pool.Workers(), pool.Kernels().Describe(e.runner.Format()))
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

// extract computes the features, and writes them if asked to.
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

func (e *encoder) part(c *cobra.Command, f *probeFlags, name string, ds data.Dataset, show *train.Display) (*probe.Set, error) {
	s, skipped, err := probe.Extract(c.Context(), e.runner, ds, f.inputs(e.config, show, name, true), e.which)
	show.End()
	if err != nil {
		return nil, err
	}
	showSkipped(show, skipped, false)
	return s, nil
}

// source is what the last line of knn and linprobe says about the features.
type source struct {
	Count         int    `json:"count"` // validation images
	TrainingCount int    `json:"training_count"`
	Features      string `json:"features"`
	Width         int    `json:"width"`
	Model         string `json:"model"`
	Weights       string `json:"weights,omitempty"` // ema for averaged ones, or plain
}

func (e *encoder) source() source {
	return source{e.Val.Len(), e.Train.Len(), e.Which, e.Val.Width, e.Model, e.Weights}
}
