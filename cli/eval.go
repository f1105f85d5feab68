package cli

import (
	"fmt"
	"math"
	"os"
	"text/tabwriter"

	"fasternet/checkpoints"
	"fasternet/data"
	"fasternet/eval"
	"fasternet/eval/metrics"
	"fasternet/internal/printable"

	"github.com/spf13/cobra"
)

func evalCommand() *cobra.Command {
	e := &evaluation{bootstrap: eval.Resamples}
	c := &cobra.Command{
		Use:   "eval MODEL...",
		Short: "Evaluate a model, several together, or one against another",
		Long: `Evaluate MODEL – the folder of a run (its best checkpoint), a checkpoint, an export
(.safetensors, or a .onnx file of "export") or weights of PyTorch – on the validation images of
its own data set, or of another data set with the same classes.

Standard output gets the accuracy of each class, the worst first (all with --verbose). Its last
line is a JSON object: top1 and top5 (percent), loss (nats), count (images), weights (ema or
plain) and metrics. A run with averaged weights (ema.decay) is evaluated with those, as during
the run; --weights plain uses the weights of the last step.

The figures in metrics go from 0 to 1, and equal scikit-learn's: precision, recall and F1
(macro, weighted, micro), balanced accuracy, ROC-AUC (one-vs-rest) and average precision,
ECE (15 bins of equal width), Brier score, and 95 % intervals of a bootstrap over the images. The
JSON of --json and --results-file also has the figures of each class, precision-recall curves,
and the bins of a reliability diagram. ROC-AUC, average precision and curves need all logits in
memory: above 64 million (images times classes) they are left out.

--results-file writes these and more under timm's names, as JSON with the accuracy of every
class, or as CSV. --csv writes a table of the classes and one of the images. --confusion writes
the confusion matrix as a table (.csv) or a picture (.png, .svg).

--tta averages the probabilities of several views of each image: flip (the image and its mirror
image), fivecrop (centre and corners), tencrop (these and their mirror images).

--temperature fit finds the temperature that calibrates the probabilities ("export --temperature"
puts it into a file), and shows its effect on held-out halves of the images. --temperature 1.5
evaluates with 1.5.

--ensemble averages the probabilities of several models. --compare A B tests with McNemar's test
whether B is better than A by more than chance. Both need models with the same classes.`,
		Example: `  fasternet-train eval runs/quickstart
  fasternet-train eval runs/quickstart --confusion confusion.png --results-file results.json --csv figures
  fasternet-train eval runs/t0/checkpoints/last.safetensors --data /data/imagenet --crop-ratio 1
  fasternet-train eval runs/t0 --split train --on-bad-image skip
  fasternet-train eval runs/t0 --tta flip
  fasternet-train eval runs/t0 runs/t1 --ensemble
  fasternet-train eval --compare runs/t0 runs/t1
  fasternet-train eval quickstart.onnx --temperature fit`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			e.changed = cmd.Flags().Changed
			if err := e.check(args); err != nil {
				return usageError{err}
			}
			return e.run(cmd.Context())
		},
	}
	e.model.register(c)
	e.dry.register(c)
	f := c.Flags()
	f.StringVar(&e.dataDir, "data", "", "`folder` of the data set")
	f.StringVar(&e.split, "split", string(data.Val), "`part` of the data set: train or val")
	f.StringVar(&e.confusion, "confusion", "", "write the confusion matrix to `FILE`.csv, .png or .svg")
	f.StringVar(&e.results, "results-file", "", "write the results to `FILE`.json or .csv")
	f.StringVar(&e.csv, "csv", "", "write classes.csv and images.csv to `FOLDER`")
	registerTTA(c, &e.tta)
	f.StringVar(&e.temperature, "temperature", "", "divide the logits by a `number`, or find the best one: fit")
	f.Float64Var(&e.threshold, "threshold", 0.5,
		"for two classes, also measure the answer second class from this `probability` on")
	f.IntVar(&e.bootstrap, "bootstrap", eval.Resamples, "`resamples` for the intervals; 0 for no intervals")
	f.BoolVar(&e.ensemble, "ensemble", false, "average the probabilities of several models")
	f.BoolVar(&e.compare, "compare", false, "compare two models by McNemar's test")
	f.BoolVar(&e.verbose, "verbose", false, "show all classes and all images left out")
	takesModel(c)
	return c
}

// of returns the end of a line that says where images are.
func of(dir string) string {
	if dir == "" {
		return ""
	}
	return " of " + dir
}

// number returns nil for what JSON has no number for.
func number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// output is an option that names a file to write, with the check of the name.
type output struct {
	option, path string
	check        func(path string) error
}

// checkOutputs finds files that cannot be written, before the work begins.
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

// printScores prints the accuracy of the classes, the worst first, with their F1.
func printScores(scores []eval.ClassScore, figures *metrics.Figures, names []string, all bool) error {
	eval.WorstFirst(scores)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	printable.Fprintf(w, "class\timages\taccuracy\tF1\tmost often confused with\n")
	for i, s := range scores {
		if i == fewLines && !all && len(scores) > fewLines+1 {
			printable.Fprintf(w, "… and %d better ones (--verbose)\n", len(scores)-i)
			break
		}
		taken := ""
		if s.MistakenFor >= 0 {
			taken = fmt.Sprintf("%s (%d)", eval.ClassName(names, s.MistakenFor), s.MistakenCount)
		}
		printable.Fprintf(w, "%s\t%d\t%.2f %%\t%.3f\t%s\n",
			s.Name, s.Count, s.Accuracy, figures.Classes[s.Index].F1, taken)
	}
	return w.Flush()
}
