package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/data/preprocess"
	"fasternet/eval/predict"
	"fasternet/formats/safetensors"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/train"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// aboutInputs is what the commands say that take images.
const aboutInputs = `Inputs are image files (JPEG, PNG, WebP, GIF, BMP, TIFF, PNM), folders, which are searched
for images, and .npy or .safetensors files with preprocessed images: a float32 array
[images, channels, height, width], in a safetensors file the only tensor or the one called
"input". Such an array is taken as it is; its height and width may differ from the size
that the model was trained at.`

func predictCommand() *cobra.Command {
	var f modelFlags
	var format, out, logitsFile string
	var topk int
	c := &cobra.Command{
		Use:   "predict INPUT... --model CHECKPOINT",
		Short: "Name what images show",
		Long: `Name the most probable classes of images, by the softmax of the logits. An output of the
model that is no class of the data set it was trained on (model.num_classes is larger) is
not listed; a model without any class names has numbers in their place.

` + aboutInputs + `

The formats: a table; csv with the columns file, rank, index, label, prob; jsonl with an
object for each image. --logits writes a safetensors file with the tensor "logits"
[images, classes], and the names of the images as a JSON list in its metadata ("files").

Weights of other programs do not say what their classes are called; --config with
data.classes, or --set data.classes=FILE, does: a file with a name in each line, in the
order of the outputs.`,
		Example: `  fasternet-train predict cat.jpg dog.png --model runs/t0
  fasternet-train predict photos/ --model runs/t0 --topk 1 --format csv --out photos.csv --on-bad-image skip
  fasternet-train predict batch.npy --model runs/t0 --logits logits.safetensors`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if topk < 1 {
				return usageError{fmt.Errorf("--topk: want 1 or more, got %d", topk)}
			}
			if !slices.Contains(predict.Formats, format) {
				return usageError{fmt.Errorf("--format: want %s, got %q", strings.Join(predict.Formats, ", "), format)}
			}
			if err := checkOutputs(output{"--out", out, nil}, output{"--logits", logitsFile, checkLogitsFile}); err != nil {
				return err
			}
			m, config, err := openInference(&f, "")
			if err != nil {
				return err
			}
			names, note, err := f.classNames(m, config)
			if err != nil {
				return err
			}
			how, err := preprocess.Decoding(config.Data)
			if err != nil {
				return err
			}
			in, err := predict.Open(args, m.Model.Channels(), how)
			if err != nil {
				return err
			}
			pool := kernels.NewPool(config.Threads)
			defer pool.Close()
			runner, err := model.NewRunner(config, m.Model, pool)
			if err != nil {
				return err
			}
			var keep *predict.Logits
			if logitsFile != "" {
				keep = &predict.Logits{}
			}
			show := train.NewDisplay(os.Stderr)
			if note != "" {
				show.Line("note: %s", note)
			}
			if note := predict.DescribeNames(m.Model.Classes(), names); note != "" {
				show.Line("note: %s", note)
			}
			showLeftOut(show, in.LeftOut)
			showPadding(show, m, in)
			// The lines of a table on a terminal show the progress themselves.
			bar := out != "" || !term.IsTerminal(int(os.Stdout.Fd()))
			classify := func(w io.Writer) (*predict.Outcome, error) {
				writer, err := predict.NewWriter(w, format, in, names)
				if err != nil {
					return nil, err
				}
				return predict.Classify(cmd.Context(), runner, in, f.inputs(config, show, "predict", bar), topk, names, writer, keep)
			}
			outcome, err := withOutput(out, classify)
			show.End()
			if err != nil {
				return err
			}
			showSkipped(show, outcome.Skipped, false)
			showNotFinite(show, outcome.NotFinite)
			if keep != nil {
				return keep.Write(logitsFile, names)
			}
			return nil
		},
	}
	f.register(c)
	c.Flags().IntVar(&topk, "topk", 5, "classes for each image")
	c.Flags().StringVar(&format, "format", predict.Formats[0], "`format` of the output: table, csv or jsonl")
	c.Flags().StringVar(&out, "out", "", "write to `FILE` instead of standard output")
	c.Flags().StringVar(&logitsFile, "logits", "", "also write the logits to `FILE`.safetensors")
	return c
}

func checkLogitsFile(path string) error {
	if !safetensors.IsFile(path) {
		return fmt.Errorf("%s: want a file .safetensors", path)
	}
	return nil
}

// inputs are the options of package predict that follow from those of the
// command. With bar, a bar of that name shows the progress.
func (f *modelFlags) inputs(config *configs.Config, show *train.Display, name string, bar bool) predict.Options {
	o := predict.Options{
		Transform: preprocess.Evaluation(config.Data, config.Model.InChans),
		Batch:     config.Train.ValBatchSize, Workers: config.Data.Workers, SkipBad: f.skipBad(),
	}
	if bar {
		begun := false
		o.Progress = func(done, total int) {
			if !begun {
				show.Begin(name, 0, total)
				begun = true
			}
			show.Step(done, name)
		}
	}
	return o
}

// withOutput gives the standard output, or a file that is there when the work
// has succeeded.
func withOutput(path string, work func(io.Writer) (*predict.Outcome, error)) (outcome *predict.Outcome, err error) {
	if path == "" {
		return work(os.Stdout)
	}
	var failure error // as it is: it need not be one of writing
	err = checkpoints.WriteAtomic(path, func(w io.Writer) error {
		outcome, failure = work(w)
		return failure
	})
	if failure != nil {
		err = failure
	}
	return outcome, err
}
