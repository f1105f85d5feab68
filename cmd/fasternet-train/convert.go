package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"fasternet/checkpoints"
	"fasternet/graph"
	"fasternet/model"
	"fasternet/weights"

	"github.com/spf13/cobra"
)

// ours is the naming of a checkpoint with our metadata.
const ours = "ours"

func convertCommand() *cobra.Command {
	var o model.LoadOptions
	var naming string
	var verbose bool
	c := &cobra.Command{
		Use:   "convert IN OUT",
		Short: "Bring weights of PyTorch in, and ours out",
		Long: `Convert weights into the safetensors file OUT.

IN is a run, a checkpoint, or a file that PyTorch or the safetensors package wrote:
.pth, .pt, .ckpt, .bin or .safetensors, in any floating type, with the official
names or timm's. Nothing in a pickle is executed.

OUT is a checkpoint (--naming ours) for eval, predict and train --from, or a bare
state dict for PyTorch (--naming official, or timm). Weights alone are written, no
state of an optimizer.

The architecture is told by the shapes of the tensors: if a preset has the same, its
configuration is taken. Otherwise say the activation, --set model.act_layer=gelu or
relu, or give a --config. If model.num_classes is not that of the file, the
classifier begins with fresh values.

The table says which tensors were loaded, reshaped, dropped, missing or unexpected.
Missing and unexpected ones are an error without --allow-missing. The last line on
standard output is a JSON object with their numbers.`,
		Example: `  fasternet-train convert fasternet_t0-epoch.281-val_acc1.71.9180.pth t0.safetensors
  fasternet-train convert mine.ckpt mine.safetensors --set model.act_layer=relu
  fasternet-train convert runs/quickstart quickstart-timm.safetensors --naming timm`,
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			in, out := args[0], args[1]
			if err := checkConvert(in, out, naming); err != nil {
				return usageError{err}
			}
			var table model.Table
			o.Report = func(t model.Table) { table = t }
			l, err := model.Open(in, o)
			if naming != ours && errors.Is(err, model.ErrActivation) {
				// A bare state dict does not hold it: either will do.
				o.Settings = append(o.Settings, "model.act_layer=gelu")
				l, err = model.Open(in, o)
			}
			most := 8
			if verbose {
				most = 0
			}
			if table.Path != "" {
				if err := table.Write(os.Stdout, most); err != nil {
					return err
				}
			}
			var config model.ConfigError
			if errors.As(err, &config) {
				return usageError{err}
			}
			if err != nil {
				return err
			}
			if f, ok := l.Model.(graph.Foldable); ok && f.Folded() && naming == ours {
				return usageError{fmt.Errorf("%s is an exported model, which eval and predict read as it is: want --naming official", l.Path)}
			}
			if same(l.Path, out) {
				return usageError{fmt.Errorf("%s is the checkpoint that is read: want another file to write", out)}
			}
			if err := writeConverted(l, out, naming); err != nil {
				return err
			}
			return printJSON(struct {
				Out        string `json:"out"`
				Naming     string `json:"naming"`
				Classes    int    `json:"classes"`
				Loaded     int    `json:"loaded"`
				Reshaped   int    `json:"reshaped"`
				Dropped    int    `json:"dropped"`
				Missing    int    `json:"missing"`
				Unexpected int    `json:"unexpected"`
			}{out, naming, l.Model.Classes(), len(table.Loaded), len(table.Reshaped), len(table.Dropped), len(table.Missing), len(table.Unexpected)})
		},
	}
	c.Flags().StringVar(&o.Config, "config", "", "`preset` or YAML file of the architecture")
	c.Flags().StringArrayVar(&o.Settings, "set", nil, "change a setting, `key=value`, e.g. model.act_layer=relu; repeatable")
	c.Flags().StringVar(&naming, "naming", ours, "`names` in OUT: ours, official or timm")
	c.Flags().BoolVar(&o.AllowMissing, "allow-missing", false, "go on if tensors are missing (they begin with fresh values) or unexpected")
	c.Flags().BoolVar(&o.EMA, "ema", false, "take the averaged weights of IN")
	c.Flags().BoolVar(&verbose, "verbose", false, "show all tensors in the table")
	return c
}

func checkConvert(in, out, naming string) error {
	switch naming {
	case ours, string(weights.Official), string(weights.Timm):
	default:
		return fmt.Errorf("--naming: %w, got %q", model.ErrNaming, naming)
	}
	if filepath.Ext(out) != ".safetensors" {
		return fmt.Errorf("%s: want a name that ends in .safetensors", out)
	}
	if same(in, out) {
		return fmt.Errorf("%s is read and cannot be written: want another file", out)
	}
	return nil
}

// same says whether two paths lead to one file.
func same(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

func writeConverted(l *model.Loaded, out, naming string) error {
	if naming == ours {
		meta, err := model.Meta(l.Config, append([]string{}, l.Classes...))
		if err != nil {
			return err
		}
		return checkpoints.Write(out, checkpoints.File{Meta: meta, Tensors: model.Tensors(l.Model.Store())})
	}
	ts, err := model.Export(l.Model.Store(), weights.Naming(naming))
	if err != nil {
		return err
	}
	// "pt" is what Python's safetensors package writes for PyTorch.
	return checkpoints.Write(out, checkpoints.File{Meta: map[string]string{model.FormatKey: "pt"}, Tensors: ts})
}
