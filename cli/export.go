package cli

import (
	"errors"
	"fmt"

	"fasternet/configs"
	"fasternet/eval/metrics"
	"fasternet/export"
	"fasternet/formats/onnx"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/model"

	"github.com/spf13/cobra"
)

// freshClasses is the number of classes in an export of fresh weights, if the configuration leaves it to the
// data set.
const freshClasses = 10

func exportCommand() *cobra.Command {
	var f modelFlags
	var dry dryRun
	var out, hub, temperature string
	var q int8Flags
	o := export.Options{Version: version}
	c := &cobra.Command{
		Use:   "export MODEL --out FILE | --hub FOLDER",
		Short: "Export a model: safetensors, ONNX, or a folder for timm",
		Long: `Export MODEL (the folder of a run, a checkpoint or an export). The name of the file decides the
format:

  .safetensors  weights under the official names, for Python and for this program
  .onnx         a graph for ONNX runtimes: input "input" [batch, channels, height,
                width], float32 and normalised; output "logits" [batch, classes]

--hub writes a folder in the layout of the Hugging Face hub, which timm's
create_model("local-dir:FOLDER", pretrained=True) loads: config.json with architecture,
class names and preprocessing, model.safetensors with timm's names, and README.md, the
model card. Batch norms are not folded. A model that timm lacks or would compute
differently is refused.

Batch norms and layer scale of a FasterNet are folded into the convolutions
before them, and the training state is left out. With --size, the position embeddings
of a ViT and the position bias tables of a Swin are interpolated for images of that
size. The metadata has architecture, input size, mean, std, interpolation, crop ratio,
class names and the whole configuration. eval reads both formats. A preset or a YAML
file is exported with fresh weights, to time it elsewhere.

--temperature 1.5 divides the logits by 1.5, in the weights of the classifier. So every program
that runs the file gets calibrated probabilities; the metadata has the temperature. --temperature
fit finds the number on the validation images, and shows its effect on ECE and loss on held-out
halves of them. The most probable class stays the same.

--int8 makes the model compute in 8-bit integers: whole blocks of a FasterNet, the linear layers of
a ViT or Swin. It measures the range of each layer's values on training images, and top-1 (with
task multilabel, mAP) of both models on the validation images. A model that loses more than
--max-loss points is not written.
--report shows the error of each layer, and --float keeps layers in float32. In ONNX, pairs of
QuantizeLinear and DequantizeLinear express the same.

A model without a classifier, such as the run of a pre-training (task localmim), is exported as an
encoder: without decoders, and in safetensors without folding, because it is for train --from,
features, knn and linprobe. Its ONNX output is "features" [batch, channels], and its metadata has
features: prelogits, or pooled for a FasterNet, whose layer before the classifier is not trained yet.

The command verifies the export: it runs the original, the exported model and the file,
read back, on the same images. If the logits differ by more than 1e-4 of the largest, it
fails and writes no file.

The last line on standard output is a JSON object: path, format (safetensors, onnx or hub), opset (ONNX),
folded, precision, weights (ema for averaged weights, or plain), features (of an encoder), parameters,
bytes, max_abs_diff and max_rel_diff (of the largest logit); with --int8 also top1_float32,
top1_int8 (map_float32, map_int8), images, calibration_images, float_layers, and layers with --report.`,
		Example: `  fasternet-train export runs/quickstart --out quickstart.onnx
  fasternet-train export runs/t0/checkpoints/last.safetensors --out t0.safetensors
  fasternet-train export runs/t0 --out t0-192.onnx --opset 13 --size 192
  fasternet-train export runs/t0 --out t0-int8.safetensors --int8 --report
  fasternet-train export runs/t0 --out t0-int8.onnx --int8 --opset 20 --dynamic-size
  fasternet-train export runs/t0 --hub t0-flowers
  fasternet-train export runs/t0 --out t0.onnx --temperature fit`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.path = args[0]
			if err := checkExport(out, hub, o, cmd.Flags().Changed("opset"), q.on); err != nil {
				return usageError{err}
			}
			if q.on && o.Half {
				return usageError{fmt.Errorf("--fp16 and --int8: choose one")}
			}
			if err := q.check(cmd.Flags().Changed); err != nil {
				return usageError{err}
			}
			if err := checkTemperature(temperature); err != nil {
				return usageError{err}
			}
			if cmd.Flags().Changed("data") && !q.on && temperature != fitTemperature {
				return usageError{fmt.Errorf("--data goes with --int8 or --temperature %s", fitTemperature)}
			}
			// The encoder of a pre-training, unless the user asks for a classifier, which it lacks.
			encoder := !model.SetsClasses(f.load.Settings)
			f.load.Encoder, f.load.Headless = encoder, encoder
			show := display()
			if temperature == fitTemperature && isConfiguration(f.path) {
				return usageError{fmt.Errorf("--temperature %s: %s has fresh weights, which cannot be calibrated",
					fitTemperature, f.path)}
			}
			if isConfiguration(f.path) {
				config, err := configs.Load(f.path, f.load.Settings...)
				if err != nil {
					return usageError{err}
				}
				if config.Task == "localmim" {
					return usageError{fmt.Errorf("%s is the configuration of a pre-training (task localmim), "+
						"which has nothing to export before it is trained: "+
						"train it, or take the preset of a classifier", f.path)}
				}
				show.Line("%s is a configuration: its weights are fresh, so the file is only good for timing", f.path)
				if config.Model.NumClasses == 0 { // from the data set, which is not available
					config.Model.NumClasses = freshClasses
					show.Line("model.num_classes is 0 and no data set is open: the file has %d classes", freshClasses)
				}
				f.fresh = config
			}
			m, config, err := openModel(&f, q.data)
			if err != nil {
				return err
			}
			if m.MultiLabel() && temperature != "" {
				return usageError{fmt.Errorf("%s has task multilabel, but --temperature needs one label per image",
					m.Path)}
			}
			if m.Headless && (temperature != "" || q.on) {
				return usageError{fmt.Errorf("%s has no classifier, but --temperature and --int8 need one: "+
					"fine-tune it first", m.Path)}
			}
			m.Config = config
			if o.Dynamic { // before anything is measured
				if err := graph.AnySize(m.Model); err != nil {
					return usageError{fmt.Errorf("--dynamic-size: %w", err)}
				}
			}
			if dry.asked {
				return dry.say("export "+which(m), out)
			}
			pool := kernels.NewPool(config.Threads)
			defer pool.Close()
			fitted, err := temper(cmd.Context(), show, m, temperature, pool)
			if err != nil {
				return err
			}
			var int8 *int8Result
			if q.on {
				if m, int8, err = q.run(cmd.Context(), m, f.fresh != nil, pool, show); err != nil {
					return err
				}
			}
			r, err := writeExport(m, out, hub, pool, o)
			if err != nil {
				return err
			}
			if m.Average {
				show.Line("exported %s", which(m))
			}
			show.Line("%s: %d parameters, %.1f MB", r.Path, r.Parameters, float64(r.Bytes)/1e6)
			if r.Features != "" {
				show.Line("the model has no classifier: the file has the encoder, which gives features (%s)",
					r.Features)
				show.Line("largest difference of the features: %.2g, or %.2g of the largest", r.MaxAbs, r.MaxRel)
			} else {
				show.Line("largest difference of the logits: %.2g, or %.2g of the largest logit", r.MaxAbs, r.MaxRel)
			}
			return printJSON(struct {
				export.Result
				*int8Result
				Fitted *metrics.Calibration `json:"calibration,omitempty"`
			}{r, int8, fitted})
		},
	}
	f.registerModel(c)
	q.register(c)
	flags := c.Flags()
	flags.StringVar(&f.onBad, "on-bad-image", "", "`what` to do with an unreadable image, with --int8 or "+
		"--temperature fit: error or skip; if not given, as in training")
	flags.StringVar(&out, "out", "", "`file` to write: .safetensors or .onnx")
	flags.StringVar(&hub, "hub", "", "`folder` to write, in the layout of the Hugging Face hub, for timm")
	flags.IntVar(&o.Opset, "opset", export.DefaultOpset, fmt.Sprintf("ONNX operator set, %d to %d (with --int8: to %d)",
		onnx.FirstOpset, onnx.LastOpset, onnx.LastInt8Opset))
	flags.BoolVar(&o.Half, "fp16", false,
		"float16 weights and values in the graph; input and output stay float32; ONNX only")
	flags.BoolVar(&o.Dynamic, "dynamic-size", false, "allow any height and width of images; ONNX only, for FasterNets")
	flags.BoolVar(&o.Pixels, "uint8-input", false,
		"take images as bytes [batch, height, width, channels], and normalise them in the graph; ONNX only")
	flags.StringVar(&temperature, "temperature", "",
		"divide the logits by a `number`, or find the best one on the validation images: fit")
	flags.BoolVar(&o.NoFold, "no-fold", false, "keep batch norms and layer scale; safetensors only")
	dry.register(c)
	takesModel(c)
	return c
}

// writeExport writes the requested files.
func writeExport(m *model.Loaded, out, hub string, pool *kernels.Pool, o export.Options) (export.Result, error) {
	if hub == "" {
		return export.Write(m, out, pool, o)
	}
	r, note, err := export.WriteHub(m, hub, pool)
	if note != "" {
		showNotes([]string{note})
	}
	if errors.Is(err, model.ErrNaming) || errors.Is(err, model.ErrOtherCode) || errors.Is(err, model.ErrUntrained) {
		return r, usageError{fmt.Errorf("--hub: %w", err)}
	}
	return r, err
}

// checkExport finds options that contradict each other.
func checkExport(out, hub string, o export.Options, opsetGiven, int8 bool) error {
	switch {
	case out == "" && hub == "":
		return fmt.Errorf("--out: want a file that ends with .safetensors or .onnx, or --hub with a folder")
	case out != "" && hub != "":
		return fmt.Errorf("--out and --hub: choose one")
	}
	ofONNX := ""
	for _, f := range []struct {
		name string
		on   bool
	}{{"opset", opsetGiven}, {"fp16", o.Half}, {"dynamic-size", o.Dynamic}, {"uint8-input", o.Pixels}} {
		if f.on {
			ofONNX = f.name
		}
	}
	switch {
	case hub != "" && ofONNX != "":
		return fmt.Errorf("--%s: %s is a folder for timm, not an ONNX file", ofONNX, hub)
	case hub != "" && int8:
		return fmt.Errorf("--int8: timm has no int8 models; use --out")
	case hub != "":
		return model.CheckHubFolder(hub)
	}
	format, err := export.FormatOf(out)
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	if format != export.ONNXFormat {
		if ofONNX != "" {
			return fmt.Errorf("--%s: %s is not an ONNX file", ofONNX, out)
		}
		if int8 && o.NoFold {
			return fmt.Errorf("--no-fold: int8 models are always folded")
		}
		return nil
	}
	if o.NoFold {
		return fmt.Errorf("--no-fold: ONNX files are always folded")
	}
	if _, err := onnx.IRVersion(o.Opset); err != nil {
		return fmt.Errorf("--opset: want %d to %d, got %d", onnx.FirstOpset, onnx.LastOpset, o.Opset)
	}
	if int8 && o.Opset > onnx.LastInt8Opset {
		return fmt.Errorf("--opset: want %d to %d with --int8, got %d: "+
			"ONNX Runtime has no int8 operators of newer sets",
			onnx.FirstOpset, onnx.LastInt8Opset, o.Opset)
	}
	return nil
}
