package cli

import (
	"fmt"
	"math"
	"os"
	"strings"
	"text/tabwriter"

	"fasternet/internal/inspect"
	"fasternet/internal/printable"
	"fasternet/train"

	"github.com/spf13/cobra"
)

func debugStepCommand() *cobra.Command {
	var o train.StepOptions
	var settings []string
	var dataDir string
	var profiles profiles
	c := &cobra.Command{
		Use:   "step RUN",
		Short: "Show the range of every value in one training step",
		Long: `Run the forward and backward passes of one training step of a RUN, and show the range of every
value: the output of every op, the gradient of the input of every op, and every parameter with
its gradient. Zeros is the share of zeros. Min, max and mean count only finite values.

The step is the next one after the newest checkpoint, with the same batch and random numbers
as in the run. --epoch and --step choose another batch; both count from 1, as in messages. The
command updates no weights, and writes nothing into the run.

A run that diverges saves the batch of that step, and its state before the step, in the folder
debug of the run. --batch repeats that step, with that state unless --checkpoint names another
one. The file is a safetensors file with the images in the tensor "input" [samples, channels,
height, width]; you may change it with Python.

The exit code is 0, even if values are not finite.`,
		Example: `  fasternet-train debug step runs/t0
  fasternet-train debug step runs/t0 --epoch 3 --step 17 --json
  fasternet-train debug step runs/t0 --checkpoint best
  fasternet-train debug step runs/t0 --batch runs/t0/debug/epoch-003-step-00017.batch.safetensors`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, flag := range []struct {
				name string
				n    int
			}{{"epoch", o.Epoch}, {"step", o.Step}} {
				if cmd.Flags().Changed(flag.name) && flag.n < 1 {
					return usageError{fmt.Errorf("--%s: want 1 or more, got %d", flag.name, flag.n)}
				}
			}
			if !train.Holds(args[0]) {
				return usageError{fmt.Errorf("%s has no run: give the folder of a run", args[0])}
			}
			if dataDir != "" {
				settings = append(settings, "data.dir="+quoted(dataDir))
			}
			config, err := train.Config(args[0], settings...)
			if err != nil {
				return usageError{err}
			}
			o.Dir, o.Log = args[0], messages()
			r, err := train.DebugStep(cmd.Context(), config, o)
			if err != nil {
				return err
			}
			if wantsJSON() {
				return printJSON(r)
			}
			return printStep(r)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Checkpoint, "checkpoint", "",
		"`checkpoint` to start from: a file, or last, previous, best or epoch-NNN of the run; default: the newest")
	f.StringVar(&o.Batch, "batch", "", "`file` with a batch that the run has saved")
	f.IntVar(&o.Epoch, "epoch", 0, "`epoch` of the batch, from 1")
	f.IntVar(&o.Step, "step", 0, "`step` of the epoch, from 1, for its batch")
	f.StringVar(&dataDir, "data", "", "`folder` of the data set (data.dir)")
	f.StringArrayVar(&settings, "set", nil, "change a setting of the run, `key=value`, e.g. precision=fp32; repeatable")
	profiles.around(c)
	c.MarkFlagsMutuallyExclusive("batch", "step")
	c.MarkFlagsMutuallyExclusive("batch", "epoch")
	takesModel(c)
	return c
}

func printStep(r *train.StepReport) error {
	for _, pass := range []string{inspect.Forward, inspect.Backward, inspect.Parameter} {
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		printable.Fprintf(w, "%s\tname\ttensor\tshape\tmin\tmax\tmean\tzeros\tNaN\tInf\n", pass)
		for _, row := range r.Rows {
			if row.Pass != pass {
				continue
			}
			v := row.Range
			printable.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.1f %%\t%d\t%d\n",
				row.Op, row.Name, row.Tensor, shapeText(row.Shape), figure(v.Min), figure(v.Max), figure(v.Mean),
				100*v.ZeroShare(), v.NaN, v.Inf)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		printable.Println()
	}
	batches := ""
	if r.Batches > 1 {
		batches = fmt.Sprintf(" in %d batches", r.Batches)
	}
	value := func(v *float64) string {
		if v == nil {
			return "not finite"
		}
		return fmt.Sprintf("%.6g", *v)
	}
	from := "the weights at the start of the run"
	if r.Checkpoint != "" {
		from = r.Checkpoint
	}
	printable.Printf("epoch %d, step %d with %s: %s%s, loss %s, gradient norm %s\n",
		r.Epoch, r.Step, from, printable.Count(r.Images, "image"), batches, value(r.Loss), value(r.GradNorm))
	if r.Finding != "" {
		_, err := printable.Println(r.Finding)
		return err
	}
	_, err := printable.Println("all values are finite")
	return err
}

// figure formats a value with few digits; "-" if there is none.
func figure(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return fmt.Sprintf("%.4g", v)
}

// shapeText formats a shape as [8, 32, 32]; "scalar" for no dimensions.
func shapeText(shape []int) string {
	if len(shape) == 0 {
		return "scalar"
	}
	return strings.ReplaceAll(fmt.Sprint(shape), " ", ", ")
}
