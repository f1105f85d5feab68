package cli

import (
	"fmt"
	"math"
	"os"
	"text/tabwriter"

	"fasternet/checkpoints"
	"fasternet/data"
	"fasternet/data/preprocess"
	"fasternet/data/sets"
	"fasternet/eval"
	"fasternet/internal/printable"
	"fasternet/kernels"
	"fasternet/model"

	"github.com/spf13/cobra"
)

func evalCommand() *cobra.Command {
	var f modelFlags
	var dataDir, split, confusion, results string
	var verbose bool
	c := &cobra.Command{
		Use:   "eval MODEL",
		Short: "Evaluate a checkpoint",
		Long: `Evaluate MODEL – the folder of a run (its best checkpoint), a checkpoint, an export
(.safetensors, or a .onnx file that "export" wrote) or weights of PyTorch – on the validation
images of the data set that it was trained on, or of another of the same kind.

Standard output gets the accuracy of the classes, the worst first (all of them with
--verbose). Its last line is a JSON object: top1 and top5 (percent), loss (nats), count
(images) and weights (ema or plain). Of a run with averaged weights (ema.decay) these are
evaluated, as during the run; --weights plain takes the weights of the last step.

--results-file writes these and more with the names that timm gives them, as JSON with
the accuracy of every class, or as CSV. --confusion writes which classes were taken for
which, as a table (.csv) or a picture (.png).`,
		Example: `  fasternet-train eval runs/quickstart
  fasternet-train eval runs/quickstart --confusion confusion.png --results-file results.json
  fasternet-train eval runs/t0/checkpoints/last.safetensors --data /data/imagenet --crop-ratio 1
  fasternet-train eval runs/t0 --split train --on-bad-image skip
  fasternet-train eval quickstart.onnx`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.path = args[0]
			if split != string(data.Train) && split != string(data.Val) {
				return usageError{fmt.Errorf("--split: want train or val, got %q", split)}
			}
			if err := checkOutputs(output{"--confusion", confusion, eval.CheckConfusionFile}, output{"--results-file", results, eval.CheckResultsFile}); err != nil {
				return err
			}
			m, config, err := openInference(&f, dataDir)
			if err != nil {
				return err
			}
			ds, err := sets.Open(config.Data, split == string(data.Train))
			if err != nil {
				return err
			}
			ds, note, err := eval.ForModel(ds, m.Classes, m.Model.Classes())
			if err != nil {
				return err
			}
			pool := kernels.NewPool(config.Threads)
			defer pool.Close()
			runner, err := model.NewRunner(config, m.Model, pool)
			if err != nil {
				return err
			}
			show := display()
			show.Line("evaluating %s on %d images%s, %d threads, %s", which(m), ds.Len(), of(config.Data.Dir), pool.Workers(), pool.Kernels().Describe(runner.Precision))
			images, err := preprocess.Of(config.Data, config.Model.InChans)
			if err != nil {
				return err
			}
			show.Line("each image: %s", images)
			showLeftOut(show, data.LeftOutOf(ds))
			for _, n := range data.NotesOf(ds) {
				show.Line("note: %s", n)
			}
			if n := eval.ShuffleNote(config.Data); n != "" {
				show.Line("note: %s", n)
			}
			if split == string(data.Val) {
				showKnown(show, m.Path, config.Data)
			}
			names := m.Classes
			if len(names) == 0 {
				names = ds.Classes()
			}
			if note != "" {
				show.Line("note: %s", note)
			}
			show.Begin("evaluation", 0, ds.Len())
			transform := preprocess.Evaluation(config.Data, config.Model.InChans)
			report, err := eval.Examine(cmd.Context(), runner, ds, transform, eval.Options{
				Batch: config.Train.ValBatchSize, Workers: config.Data.Workers, SkipBad: f.skipBad(),
				Progress: func(done, _ int) { show.Step(done, "evaluation") },
			})
			show.End()
			if err != nil {
				return err
			}
			showSkipped(show, report.Skipped, verbose)
			show.Line("top-1 %.2f %%, top-5 %.2f %%, loss %.4f", report.Top1, report.Top5, report.Loss)
			if confusion != "" {
				title := fmt.Sprintf("%s: top-1 %.2f %% of %d images", f.path, report.Top1, report.Count)
				if err := report.Confusion.Write(confusion, title, names); err != nil {
					return err
				}
			}
			if results != "" {
				if err := report.Results(m.Path, m.Model.Store().Parameters(), names, transform, eval.Seen(ds, transform)).Write(results); err != nil {
					return err
				}
			}
			if err := printScores(report.Confusion.Scores(names), names, verbose); err != nil {
				return err
			}
			return printJSON(struct {
				eval.Result
				Loss    *float64 `json:"loss"`
				Model   string   `json:"model"`
				Weights string   `json:"weights"`
			}{report.Result, number(report.Loss), m.Path, m.Used()})
		},
	}
	f.register(c)
	c.Flags().StringVar(&dataDir, "data", "", "`folder` of the data set")
	c.Flags().StringVar(&split, "split", string(data.Val), "`part` of the data set: train or val")
	c.Flags().StringVar(&confusion, "confusion", "", "write the confusion matrix to `FILE`.csv or .png")
	c.Flags().StringVar(&results, "results-file", "", "write the results to `FILE`.json or .csv")
	c.Flags().BoolVar(&verbose, "verbose", false, "show all classes and all images that were left out")
	takesModel(c)
	return c
}

// of is how a line goes on that says where images are.
func of(dir string) string {
	if dir == "" {
		return ""
	}
	return " of " + dir
}

// number is nil for what JSON has no number for.
func number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// output is an option that names a file to write, and what its name must be.
type output struct {
	option, path string
	check        func(path string) error
}

// checkOutputs finds files that cannot be written before the work begins.
func checkOutputs(outputs ...output) error {
	for _, o := range outputs {
		if o.path == "" {
			continue
		}
		if o.check != nil {
			if err := o.check(o.path); err != nil {
				return usageError{fmt.Errorf("%s: %w", o.option, err)}
			}
		}
		if err := checkpoints.Writable(o.path); err != nil {
			return fmt.Errorf("%s: %w", o.option, err)
		}
	}
	return nil
}

// printScores prints the accuracy of the classes, the worst first.
func printScores(scores []eval.ClassScore, names []string, all bool) error {
	eval.WorstFirst(scores)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	printable.Fprintf(w, "class\timages\taccuracy\tmost often taken for\n")
	for i, s := range scores {
		if i == fewLines && !all && len(scores) > fewLines+1 {
			printable.Fprintf(w, "… and %d better ones (--verbose)\n", len(scores)-i)
			break
		}
		taken := ""
		if s.MistakenFor >= 0 {
			taken = fmt.Sprintf("%s (%d)", eval.ClassName(names, s.MistakenFor), s.MistakenCount)
		}
		printable.Fprintf(w, "%s\t%d\t%.2f %%\t%s\n", s.Name, s.Count, s.Accuracy, taken)
	}
	return w.Flush()
}
