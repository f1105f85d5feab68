package main

import (
	"fmt"
	"os"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/eval"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/predict"
	"fasternet/probe"
	"fasternet/train"

	"github.com/spf13/cobra"
)

// aboutProbes says what knn and linprobe have in common.
const aboutProbes = `The encoder is frozen: any model that "eval" reads. Its features of the training and
the validation images are those of "features --stage pooled", with the transform of
evaluation, or of another --stage (of maps, the mean). --max-per-class keeps a few
training images of each class, drawn by --seed. --dump writes the features to a file
that --load reads in the place of --model, since most of the time goes into them.`

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
	c.MarkFlagsMutuallyExclusive("load", "model")
	c.MarkFlagsMutuallyExclusive("load", "data")
	c.MarkFlagsMutuallyExclusive("load", "stage")
	c.MarkFlagsMutuallyExclusive("load", "dump")
}

// encoder is an opened model with its data set.
type encoder struct {
	*probe.Dumped
	config     *configs.Config
	runner     *graph.Runner
	train, val data.Dataset
	which      string
}

// check finds what is wrong with the options before any work.
func (f *probeFlags) check() error {
	if f.few < 0 {
		return usageError{fmt.Errorf("--max-per-class: want 0 or more, got %d", f.few)}
	}
	if f.load == "" && f.path == "" {
		return usageError{fmt.Errorf("--model: want a checkpoint, or the folder of a run; or --load with a file of features")}
	}
	which, err := predict.FeatureName(f.stage)
	if err != nil || which == predict.AllStages {
		return usageError{fmt.Errorf("--stage: want pooled, prelogits, or the number of a stage, got %q", f.stage)}
	}
	return checkOutputs(output{"--dump", f.dump, probe.CheckDumpFile})
}

// features loads or computes the features. With a file, pool is one of its own
// choice and the model nil. The pool has to be closed.
func (f *probeFlags) features(c *cobra.Command, show *train.Display) (*encoder, *kernels.Pool, error) {
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
	m, config, err := openInference(&f.modelFlags, f.dataDir)
	if err != nil {
		return nil, nil, err
	}
	e := &encoder{config: config}
	if e.which, err = predict.FeatureName(f.stage); err != nil {
		return nil, nil, err
	}
	if e.train, err = eval.Open(config.Data, true); err != nil {
		return nil, nil, err
	}
	if e.val, err = eval.Open(config.Data, false); err != nil {
		return nil, nil, err
	}
	if err := probe.SameClasses(e.train.Classes(), e.val.Classes()); err != nil {
		return nil, nil, err
	}
	if f.few > 0 {
		e.train = probe.FewOf(e.train, f.few, f.seed)
	}
	pool := kernels.NewPool(config.Threads)
	e.runner = graph.NewRunner(m.Model, pool)
	show.Line("features of %s: %d training and %d validation images, %d threads, %s kernels", m.Path, e.train.Len(), e.val.Len(), pool.Workers(), kernels.Active())
	if err := e.extract(c, f, m.Path, show); err != nil {
		pool.Close()
		return nil, nil, err
	}
	return e, pool, nil
}

// extract computes the features of both parts, and writes them if asked to.
func (e *encoder) extract(c *cobra.Command, f *probeFlags, path string, show *train.Display) (err error) {
	e.Dumped = &probe.Dumped{Model: path, Which: e.which}
	if e.Train, err = e.part(c, f, e.train, f.inputs(e.config, show, "training images", true), show); err != nil {
		return err
	}
	if e.Val, err = e.part(c, f, e.val, f.inputs(e.config, show, "validation images", true), show); err != nil {
		return err
	}
	if f.dump == "" {
		return nil
	}
	return probe.Dump(f.dump, e.Dumped)
}

func (e *encoder) part(c *cobra.Command, f *probeFlags, ds data.Dataset, o predict.Options, show *train.Display) (*probe.Set, error) {
	s, skipped, err := probe.Extract(c.Context(), e.runner, ds, o, e.which)
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
}

func (e *encoder) source() source {
	return source{e.Val.Len(), e.Train.Len(), e.Which, e.Val.Width, e.Model}
}

// newProbeDisplay shows progress on standard error.
func newProbeDisplay() *train.Display { return train.NewDisplay(os.Stderr) }
