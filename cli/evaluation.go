package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/classes"
	"fasternet/data/preprocess"
	"fasternet/data/sets"
	"fasternet/eval"
	"fasternet/eval/metrics"
	"fasternet/internal/printable"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/train"
)

// evaluation holds the options of eval.
type evaluation struct {
	model                                                     modelFlags
	paths                                                     []string
	dataDir, split, confusion, results, csv, tta, temperature string
	threshold                                                 float64
	bootstrap                                                 int
	ensemble, compare, verbose                                bool
	dry                                                       dryRun
	changed                                                   func(option string) bool

	divisor float64 // the temperature, or 0
	models  []*evaluated
	show    *train.Display
}

// evaluated is one of the evaluated models.
type evaluated struct {
	*model.Loaded
	config    *configs.Config
	transform *data.EvalTransform
}

// check finds options that contradict each other.
func (e *evaluation) check(args []string) error {
	e.paths = args
	switch n := len(e.paths); {
	case e.ensemble && e.compare:
		return fmt.Errorf("--ensemble and --compare: choose one")
	case e.ensemble && n < 2:
		return fmt.Errorf("--ensemble: want two models or more, got %d", n)
	case e.compare && n != 2:
		return fmt.Errorf("--compare: want two models, got %d", n)
	case !e.ensemble && !e.compare && n > 1:
		return fmt.Errorf("%d models: want one, or --ensemble to average them, or --compare to compare two", n)
	case e.split != string(data.Train) && e.split != string(data.Val):
		return fmt.Errorf("--split: want train or val, got %q", e.split)
	case e.bootstrap < 0 || e.bootstrap > metrics.MostResamples:
		return fmt.Errorf("--bootstrap: want 0 to %d resamples, got %d", metrics.MostResamples, e.bootstrap)
	}
	if err := checkTTA(e.tta); err != nil {
		return err
	}
	if err := metrics.CheckThreshold(e.threshold); err != nil {
		return fmt.Errorf("--threshold: %w", err)
	}
	for _, o := range []struct {
		name  string
		given bool
	}{
		{"--temperature", e.temperature != ""},
		{"--threshold", e.changed("threshold")},
		{"--confusion", e.confusion != ""},
		{"--results-file", e.results != ""},
	} {
		if o.given && e.compare {
			return fmt.Errorf("%s needs one model or an ensemble: evaluate the two models separately", o.name)
		}
	}
	if err := checkTemperature(e.temperature); err != nil {
		return err
	}
	e.divisor, _ = parseTemperature(e.temperature) // 0 for fit or no temperature
	return nil
}

func (e *evaluation) checkFiles() error {
	outputs := []output{
		{"--confusion", e.confusion, eval.CheckConfusionFile},
		{"--results-file", e.results, eval.CheckResultsFile},
	}
	if e.csv != "" && !e.dry.asked {
		if err := os.Mkdir(e.csv, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("--csv: %w", err)
		}
		outputs = append(outputs, output{"--csv", filepath.Join(e.csv, "classes.csv"), nil}, output{
			"--csv", filepath.Join(e.csv, "images.csv"), nil,
		})
	}
	return checkOutputs(outputs...)
}

func (e *evaluation) run(ctx context.Context) error {
	if err := e.checkFiles(); err != nil {
		return err
	}
	e.show = display()
	for _, path := range e.paths {
		f := e.model
		f.path = path
		m, config, err := openInference(&f, e.dataDir)
		if err != nil {
			return err
		}
		e.models = append(e.models, &evaluated{m, config, preprocess.Evaluation(config.Data, config.Model.InChans)})
	}
	if e.dry.asked {
		return e.sayDry(ctx)
	}
	for _, m := range e.models {
		if m.MultiLabel() {
			return e.runLabels(ctx, m)
		}
	}
	if err := e.sameClasses(); err != nil {
		return err
	}
	if n := e.models[0].Model.Classes(); n != 2 && e.changed("threshold") {
		return usageError{fmt.Errorf("--threshold decides between two classes; %s has %d", e.models[0].Path, n)}
	}
	pool := kernels.NewPool(e.models[0].config.Threads)
	defer pool.Close()
	members, err := e.members(ctx, pool)
	if err != nil {
		return err
	}
	ds := members[0].Data
	names := e.models[0].Classes
	if len(names) == 0 {
		names = ds.Classes()
	}
	e.show.Begin("evaluation", 0, ds.Len())
	found, err := eval.ExamineMembers(ctx, members, eval.Options{
		Batch:       e.batch(),
		Workers:     e.models[0].config.Data.Workers,
		SkipBad:     e.model.skipBad(),
		KeepLogits:  eval.EvalLogits,
		ThinLogits:  e.temperature == fitTemperature,
		Temperature: e.divisor,
		Progress:    func(done, _ int) { e.show.Step(done, "evaluation") },
	}, e.ensemble)
	e.show.End()
	if err != nil {
		return err
	}
	showSkipped(e.show, found.Whole.Skipped, e.verbose)
	if e.compare {
		return e.showComparison(found, ds, names)
	}
	return e.showFigures(found, ds, names)
}

// batch returns the smallest batch size of the models.
func (e *evaluation) batch() int {
	n := math.MaxInt
	for _, m := range e.models {
		n = min(n, m.config.Train.ValBatchSize)
	}
	return n
}

// sameClasses returns an error if the outputs of the models mean different classes.
func (e *evaluation) sameClasses() error {
	first := e.models[0]
	for _, m := range e.models[1:] {
		match := classes.Compare(m.Classes, first.Classes)
		switch {
		case match.Kind == classes.Unnamed && m.Model.Classes() == first.Model.Classes():
			e.show.Line("note: %s or %s has no class names: assuming the same classes in the same order",
				first.Path, m.Path)
		case match.Kind == classes.Unnamed || match.Kind == classes.Same && m.Model.Classes() != first.Model.Classes():
			return fmt.Errorf("the models have different classes: %s has %d outputs, %s has %d",
				first.Path, first.Model.Classes(), m.Path, m.Model.Classes())
		case match.Kind != classes.Same:
			return fmt.Errorf("the models have different classes: %s", match.Difference(m.Path, first.Path))
		}
	}
	return nil
}

// members opens the data set for the models, and says what they see.
func (e *evaluation) members(ctx context.Context, pool *kernels.Pool) (members []eval.Member, err error) {
	first, views := e.models[0], ""
	opened := map[[2]string]data.Dataset{} // by the way files are decoded
	for i, m := range e.models {
		d := first.config.Data
		d.Orientation, d.SixteenBit = m.config.Data.Orientation, m.config.Data.SixteenBit
		key := [2]string{d.Orientation, d.SixteenBit}
		ds := opened[key]
		if ds == nil {
			if ds, err = e.open(ctx, d, m, i == 0); err != nil {
				return nil, err
			}
			opened[key] = ds
		}
		runner, err := model.NewRunner(m.config, m.Model, pool)
		if err != nil {
			return nil, err
		}
		e.show.Line("evaluating %s on %s%s, %s, %s",
			which(m.Loaded), printable.Count(ds.Len(), "image"), of(d.Dir),
			printable.Count(pool.Workers(), "thread"), pool.Kernels().Describe(runner.Format()))
		if e.split == string(data.Val) {
			showKnown(e.show, m.Path, d)
		}
		if n := temperatureNote(m.Loaded); n != "" {
			e.show.Line("note: %s", n)
		}
		member := eval.Member{Runner: runner, Data: ds, Transform: m.transform}
		if member.Transform, views, err = viewsOf(m.transform, e.tta); err != nil {
			return nil, err
		}
		members = append(members, member)
	}
	if views != "" {
		e.show.Line("%s", views)
	}
	if e.ensemble {
		e.show.Line("ensemble of %d models: the mean of their probabilities", len(members))
	}
	return members, nil
}

// open opens the data set for a model, with its labels, and describes it once.
func (e *evaluation) open(ctx context.Context, d configs.Data, m *evaluated, tell bool) (data.Dataset, error) {
	ds, err := sets.Open(ctx, d, e.split == string(data.Train))
	if err != nil {
		return nil, err
	}
	ds, note, err := eval.ForModel(ds, m.Classes, m.Model.Classes())
	if err != nil || !tell {
		return ds, err
	}
	images, err := preprocess.Of(d, m.config.Model.InChans)
	if err != nil {
		return nil, err
	}
	e.show.Line("each image: %s", images)
	showLeftOut(e.show, data.LeftOutOf(ds))
	for _, n := range data.NotesOf(ds) {
		e.show.Line("note: %s", n)
	}
	if n := eval.ShuffleNote(d); n != "" {
		e.show.Line("note: %s", n)
	}
	if note != "" {
		e.show.Line("note: %s", note)
	}
	return ds, nil
}

// writeTables writes the files of --csv.
func (e *evaluation) writeTables(r *eval.Report, ds data.Dataset, names []string) error {
	if e.csv == "" {
		return nil
	}
	if err := r.WriteClassCSV(filepath.Join(e.csv, "classes.csv")); err != nil {
		return err
	}
	return r.WriteImageCSV(filepath.Join(e.csv, "images.csv"), ds, names)
}

// title names the models in a picture.
func (e *evaluation) title() string { return strings.Join(e.paths, " + ") }

// parameters returns the number of parameters of all models.
func (e *evaluation) parameters() (n int) {
	for _, m := range e.models {
		n += m.Model.Store().Parameters()
	}
	return n
}
