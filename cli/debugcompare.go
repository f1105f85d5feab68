package cli

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"text/tabwriter"

	"fasternet/eval/stages"
	"fasternet/formats/npy"
	"fasternet/internal/printable"
	"fasternet/kernels"
	"fasternet/model"

	"github.com/spf13/cobra"
)

func debugCompareCommand() *cobra.Command {
	var f modelFlags
	o := stages.Options{}
	c := &cobra.Command{
		Use:   "compare MODEL DUMP.npz",
		Short: "Compare the values inside a model with another framework",
		Long: `Run a MODEL on the images of a DUMP, and show how far every value with the same name is from
the value of another framework. MODEL is the folder of a run, a checkpoint, an export, a
folder of timm, or weights of PyTorch.

A DUMP is a .npz file of numpy with float32 arrays: "input", the preprocessed images
[images, channels, height, width], and any of these values: stage1, stage2, … (the maps after
each stage), tokens (the input of the last block of a ViT), pooled, prelogits, logits, and the
result of any op by the name of its layer, such as blocks.0.mlp (--json lists the names). Maps
may have their channels first or last. scripts/dump_stages.py writes a DUMP with PyTorch.

The result of a block, and of each half of a transformer block (blocks.0.attn,
blocks.0.mlp), includes the residual.

The relative difference is the largest absolute difference divided by the largest magnitude of
that value in the other framework. The exit code is 1 if one is above --tolerance, and the
error names the first such value.`,
		Example: `  python3 scripts/dump_stages.py fasternet_t0 --weights t0.safetensors --out t0.npz
  fasternet-train debug compare t0.safetensors t0.npz
  fasternet-train convert runs/t0 t0-timm --naming timm
  python3 scripts/dump_stages.py t0-timm --out t0.npz
  fasternet-train debug compare runs/t0 t0.npz`,
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			if !(o.Tolerance >= 0) || math.IsInf(o.Tolerance, 0) {
				return usageError{fmt.Errorf("--tolerance: want a number of 0 or more, got %v", o.Tolerance)}
			}
			dump, err := npy.OpenArchive(args[1])
			if err != nil {
				return err
			}
			defer func() { _ = dump.Close() }() // it was only read
			f.path = args[0]
			f.load.Encoder, f.load.Headless = true, true
			m, config, err := openModel(&f, "")
			if err != nil {
				return err
			}
			pool := kernels.NewPool(config.Threads)
			defer pool.Close()
			o.Headless = m.Headless
			runner, err := model.NewRunner(config, m.Model, pool)
			if err != nil {
				return err
			}
			r, err := stages.Compare(runner, dump, o)
			if err != nil {
				return err
			}
			if note := m.Padding(r.Size[0], r.Size[1]); note != "" {
				display().Line("%s", note)
			}
			if wantsJSON() {
				err = printJSON(r)
			} else {
				err = printStages(r, which(m))
			}
			if err == nil && r.First != "" {
				err = fmt.Errorf("the first value that differs by more than %g (relative to the largest) is %s",
					r.Tolerance, r.First)
			}
			return err
		},
	}
	f.onBad, f.changed = "error", c.Flags().Changed
	c.Flags().Float64Var(&o.Tolerance, "tolerance", 1e-4, "largest relative difference allowed")
	c.Flags().StringVar(&f.load.Config, "config", "", "`preset` or YAML file, for weights without a configuration")
	c.Flags().StringArrayVar(&f.load.Settings, "set", nil,
		"change a setting, `key=value`, e.g. model.act_layer=gelu; repeatable")
	registerLoad(c, &f.load, &f.ema)
	c.Flags().StringVar(&f.precision, "precision", "fp32",
		"`format` of matrix products: fp32, bf16, or auto for bf16 if the processor has it")
	c.Flags().IntVar(&f.threads, "threads", 0, "threads of the kernels; 0 for one per processor")
	takesModel(c)
	return c
}

func printStages(r *stages.Result, model string) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	printable.Fprintf(w, "value\tshape\tmin, max, mean here\tmin, max, "+
		"mean in the dump\tdifference\trelative\tat\there\tin the dump\t\n")
	for _, s := range r.Stages {
		mark := ""
		if s.Differs {
			mark = "differs"
		}
		triple := func(a, b, c float64) string {
			return strings.Join([]string{figure(a), figure(b), figure(c)}, ", ")
		}
		largest, relative, at := scientific(s.Largest), scientific(s.Relative), shapeText(s.At)
		if s.Layout == "" {
			largest, relative, at = "shape in the dump", shapeText(s.Dump), ""
		}
		printable.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Name, shapeText(s.Shape),
			triple(s.Ours.Min, s.Ours.Max, s.Ours.Mean), triple(s.Theirs.Min, s.Theirs.Max, s.Theirs.Mean),
			largest, relative, at, s.Our, s.Their, mark)
	}
	err := w.Flush()
	for _, l := range []struct {
		what  string
		names []string
	}{{"in the dump alone", r.Unknown}, {"in the model alone", r.Missing}} {
		if n := len(l.names); n > 0 {
			more := ""
			if n > fewLines {
				more = fmt.Sprintf(" and %d more", n-fewLines)
			}
			printable.Printf("%s: %s%s\n", l.what, strings.Join(l.names[:min(n, fewLines)], ", "), more)
		}
	}
	if r.First == "" {
		_, failure := printable.Printf(
			"%s of %s agree within %g of the largest, on %s of %d×%d pixels\n",
			printable.Count(len(r.Stages), "value"), model, r.Tolerance,
			printable.Count(r.Images, "image"), r.Size[1], r.Size[0])
		err = errors.Join(err, failure)
	}
	return err
}

// scientific formats a difference; "not finite" if there is none.
func scientific(v *float64) string {
	if v == nil {
		return "not finite"
	}
	return fmt.Sprintf("%.2e", *v)
}
