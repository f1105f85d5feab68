package main

import (
	"fmt"
	"os"

	"fasternet/export"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/onnx"
	"fasternet/train"

	"github.com/spf13/cobra"
)

func exportCommand() *cobra.Command {
	var path, out string
	var ema bool
	var threads, size int
	o := export.Options{Version: version}
	c := &cobra.Command{
		Use:   "export --model CHECKPOINT --out FILE",
		Short: "Write a model for use elsewhere: safetensors or ONNX",
		Long: `Write a model for use elsewhere. The name of the file tells the format:

  .safetensors  weights under the official names, for Python and for this program
  .onnx         a graph for ONNX runtimes: input "input" [batch, channels, height,
                width], float32 and normalised; output "logits" [batch, classes]

Batch norms and layer scale are folded into the convolutions before them, and
the state of training is left out. The metadata holds architecture, input size,
mean, std, interpolation, crop ratio, class names and the whole configuration.
eval reads both formats.

The command verifies itself: the exported model and the original are run on the
same images, and so is the file, read back. If the logits differ by more than
1e-4 of the largest, that is an error and no file is written.

The last line on standard output is a JSON object: path, format, opset (ONNX),
folded, parameters, bytes, max_abs_diff and max_rel_diff (of the largest logit).`,
		Example: `  fasternet-train export --model runs/quickstart --out quickstart.onnx
  fasternet-train export --model runs/t0/checkpoints/last.safetensors --out t0.safetensors
  fasternet-train export --model runs/t0 --out t0-192.onnx --opset 13 --size 192`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path == "" {
				return usageError{fmt.Errorf("--model: want a checkpoint, or the folder of a run")}
			}
			if out == "" {
				return usageError{fmt.Errorf("--out: want a file that ends with .safetensors or .onnx")}
			}
			if err := checkExport(out, o, cmd.Flags().Changed("opset")); err != nil {
				return usageError{err}
			}
			m, err := model.Load(path)
			if err != nil {
				return err
			}
			if ema {
				if err := m.UseEMA(); err != nil {
					return err
				}
			}
			if m.Config, err = evalConfig(m.Config, "", 0, threads, size, 0); err != nil {
				return usageError{err}
			}
			pool := kernels.NewPool(threads)
			defer pool.Close()
			r, err := export.Write(m, out, pool, o)
			if err != nil {
				return err
			}
			show := train.NewDisplay(os.Stderr)
			show.Line("%s: %d parameters, %.1f MB", r.Path, r.Parameters, float64(r.Bytes)/1e6)
			show.Line("largest difference of the logits: %.2g, that is %.2g of the largest logit", r.MaxAbs, r.MaxRel)
			return printJSON(r)
		},
	}
	f := c.Flags()
	f.StringVar(&path, "model", "", "`checkpoint`, or folder of a run")
	f.StringVar(&out, "out", "", "`file` to write: .safetensors or .onnx")
	f.BoolVar(&ema, "ema", false, "export the averaged weights of the checkpoint")
	f.IntVar(&o.Opset, "opset", export.DefaultOpset, "ONNX operator set, 13 to 17")
	f.BoolVar(&o.NoFold, "no-fold", false, "keep batch norms and layer scale; safetensors only")
	f.IntVar(&size, "size", 0, "side of the images in pixels (data.image_size)")
	f.IntVar(&threads, "threads", 0, "threads of the check; 0 for one a processor")
	return c
}

// checkExport finds options that do not fit together.
func checkExport(out string, o export.Options, opsetGiven bool) error {
	format, err := export.FormatOf(out)
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	if format != export.ONNXFormat {
		if opsetGiven {
			return fmt.Errorf("--opset: %s is not an ONNX file", out)
		}
		return nil
	}
	if o.NoFold {
		return fmt.Errorf("--no-fold: ONNX files are folded")
	}
	if _, err := onnx.IRVersion(o.Opset); err != nil {
		return fmt.Errorf("--opset: want 13 to 17, got %d", o.Opset)
	}
	return nil
}
