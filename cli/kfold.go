package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"fasternet/configs"
	"fasternet/internal/printable"
	"fasternet/report"
	"fasternet/train/sweep"

	"github.com/spf13/cobra"
)

// Files of a cross-validation in its folder, next to the runs.
const (
	kfoldPage  = "kfold.html"
	kfoldTable = "kfold.csv"
)

func kfoldCommand() *cobra.Command {
	var o sweep.Options
	var dataDir string
	var folds int
	var dryRun bool
	c := &cobra.Command{
		Use:   "kfold CONFIG",
		Short: "Cross-validate: train a run per fold, and show mean and standard deviation",
		Long: `Divide the training images of CONFIG's data set into folds. For each fold, train a run on the
other folds, and evaluate it on this one. Show all results with mean and standard deviation.

Every fold has its share of every class. Images with the same name or the same content stay in
one fold, and so do images whose names have the same match of the regular expression
data.fold_groups, e.g. one patient. The folds depend only on the names and on data.val_seed. The
validation part of the data set is not used.

The folder (--run; by default one named after CONFIG in runs/, with -kfold) has a run for each
fold (fold-001 and so on), the table kfold.csv and the page kfold.html. --resume continues after
any interruption. To train a single fold, use "train CONFIG --set data.folds=5 --set data.fold=1".

The last line on standard output is a JSON object: folds, top1 and loss with mean and std (the
sample standard deviation), and trials, one for each fold.`,
		Example: `  fasternet-train kfold my.yaml --folds 5
  fasternet-train kfold my.yaml --folds 10 --set 'data.fold_groups=^([^_]+)_'
  fasternet-train kfold my.yaml --resume`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case folds < 2 || folds > 1000:
				return usageError{fmt.Errorf("--folds: want 2 to 1000, got %d", folds)}
			case o.Parallel < 1:
				return usageError{fmt.Errorf("--parallel: want 1 or more, got %d", o.Parallel)}
			case o.Threads < 0:
				return usageError{fmt.Errorf("--threads: want 0 or more, got %d", o.Threads)}
			}
			if dataDir != "" {
				o.Settings = append(o.Settings, "data.dir="+quoted(dataDir))
			}
			plan := sweep.Folds(args[0], folds)
			config, err := loadConfig(args[0], append(slices.Clone(plan.Settings), o.Settings...))
			if err != nil {
				return err
			}
			if config.Task != "classify" {
				return usageError{fmt.Errorf("task: task %s has no accuracy to cross-validate: want classify",
					config.Task)}
			}
			if o.Dir == "" {
				o.Dir = filepath.Join(
					config.RunDir,
					strings.TrimSuffix(filepath.Base(args[0]), filepath.Ext(args[0]))+"-kfold",
				)
			}
			o.Procs = func() int { return runtime.GOMAXPROCS(0) }
			if dryRun {
				preview, err := sweep.Preview(plan, o)
				if err != nil {
					return usageError{err}
				}
				return printFolds(preview, folds, true, "")
			}
			careful.Store(true)
			show := display()
			o.Log, o.Program = messages(), version+revision()
			o.Say = func(line string) { show.Line("kfold: %s", line) }
			page := filepath.Join(o.Dir, kfoldPage)
			out, err := sweep.Run(cmd.Context(), plan, o)
			if out != nil {
				if failure := writeFolds(plan, out); failure != nil {
					show.Line("warning: no report: %v", failure)
				}
			}
			if err != nil {
				return err
			}
			if err := printFolds(out, folds, false, page); err != nil {
				return err
			}
			for _, t := range out.Trials {
				if t.State == sweep.Failed || t.State == sweep.Invalid {
					return fmt.Errorf("fold %d: %s", t.Number, t.Error)
				}
			}
			return nil
		},
	}
	f := c.Flags()
	f.IntVar(&folds, "folds", 5, "number of folds")
	f.StringVar(&o.Dir, "run", "", "`folder` of the cross-validation")
	f.StringVar(&dataDir, "data", "", "`folder` of the data set (data.dir)")
	f.StringArrayVar(&o.Settings, "set", nil, "change a setting of all runs, `key=value`; repeatable")
	f.BoolVar(&o.Resume, "resume", false, "continue the cross-validation in the folder, or start it if there is none")
	f.IntVar(&o.Parallel, "parallel", 1, "folds to train at once; they share the threads")
	f.IntVar(&o.Threads, "threads", 0, "threads of all folds together; 0 for one per processor")
	f.BoolVar(&dryRun, "dry-run", false, "list the runs, and train nothing")
	return c
}

// foldMeans returns the means over the finished folds.
type foldMeans struct {
	Top1 sweep.Mean `json:"top1"`
	Top5 sweep.Mean `json:"top5"`
	Loss sweep.Mean `json:"loss"`
}

func meansOf(trials []sweep.Trial) foldMeans {
	return foldMeans{
		sweep.MeanOf(trials, func(t sweep.Trial) *float64 { return t.Top1 }),
		sweep.MeanOf(trials, func(t sweep.Trial) *float64 { return t.Top5 }),
		sweep.MeanOf(trials, func(t sweep.Trial) *float64 { return t.Loss }),
	}
}

// inOrder sorts the folds by number.
func inOrder(out *sweep.Outcome) []sweep.Trial {
	trials := slices.Clone(out.Trials)
	slices.SortFunc(trials, func(a, b sweep.Trial) int { return cmp.Compare(a.Number, b.Number) })
	return trials
}

func printFolds(out *sweep.Outcome, folds int, dry bool, page string) error {
	trials := inOrder(out)
	m := meansOf(trials)
	if !wantsJSON() {
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		printable.Fprintf(w, "fold\tepochs\ttop-1 (%%)\tloss\tstate\n")
		for _, t := range trials {
			figures := figuresOf(t, "top1")
			printable.Fprintf(w, "%d\t%d\t%s\t%s\t%s\n", t.Number, t.Epochs, figures[0], figures[1], t.State)
		}
		if m.Top1.N > 0 {
			printable.Fprintf(w, "mean ± standard deviation\t\t%.2f ± %.2f\t%.4f ± %.4f\t\n",
				m.Top1.Mean, m.Top1.Std, m.Loss.Mean, m.Loss.Std)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return printJSON(struct {
		Folds int `json:"folds"`
		foldMeans
		Trials []sweep.Trial `json:"trials"`
		Done   bool          `json:"done"`
		DryRun bool          `json:"dry_run,omitempty"`
		Dir    string        `json:"dir"`
		Report string        `json:"report,omitempty"`
	}{folds, m, trials, out.Done, dry, out.Dir, page})
}

// writeFolds writes the table and the page.
func writeFolds(plan *sweep.Plan, out *sweep.Outcome) error {
	ordered := *out
	ordered.Trials = inOrder(out)
	page := trialsPage(plan, &ordered)
	page.Heading, page.Keys = fmt.Sprintf("%d folds", plan.Trials), nil
	page.About = fmt.Sprintf("cross-validation of %s in %d folds", configName(plan.Config), plan.Trials)
	for i := range page.Trials {
		page.Trials[i].Values, page.Trials[i].Figure = nil, "" // folds have no best
	}
	if m := meansOf(out.Trials); m.Top1.N > 0 {
		figures := []string{
			fmt.Sprintf("%.2f ± %.2f", m.Top1.Mean, m.Top1.Std),
			fmt.Sprintf("%.4f ± %.4f", m.Loss.Mean, m.Loss.Std),
		}
		if out.Metric == "loss" {
			slices.Reverse(figures)
		}
		page.Foot = &report.TrialRow{Name: "mean ± standard deviation", Figures: figures}
	}
	return errors.Join(
		writeTrials(filepath.Join(out.Dir, kfoldTable), &ordered),
		report.WriteTrials(filepath.Join(out.Dir, kfoldPage), page),
	)
}

// configName returns the name of a configuration for a title.
func configName(name string) string {
	if slices.Contains(configs.Presets(), name) {
		return name
	}
	return filepath.Base(name)
}
