package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/preprocess"
	"fasternet/eval/predict"
	"fasternet/formats/safetensors"
	"fasternet/internal/printable"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/train"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// aboutInputs explains the inputs of commands that take images.
const aboutInputs = `Inputs are image files (JPEG, PNG, WebP, GIF, BMP, TIFF, PNM), folders with images, and .npy or
.safetensors files with preprocessed images: a float32 array [images, channels, height, width],
in a safetensors file the only tensor or the tensor "input". Such an array is used unchanged;
its height and width may differ from the size that the model was trained at.`

func predictCommand() *cobra.Command {
	var f modelFlags
	var dry dryRun
	var format, out, logitsFile, tta string
	var topk int
	var thresholds []string
	c := &cobra.Command{
		Use:   "predict MODEL INPUT...",
		Short: "Classify images",
		Long: `List the most probable classes of images, by the softmax of the logits. Outputs without a
class (model.num_classes is larger than the data set has) are not listed. A model without class
names gives numbers.

--tta averages the probabilities of several views of each image, as "eval --tta" does: flip (the
image and its mirror image), fivecrop (centre and corners) or tencrop (both). Then --logits writes
the logarithms of the means.

For task multilabel, list the labels whose probability reaches their threshold: the threshold
with the best F1 on the run's validation images, or --threshold. Images without any label are
listed too.

` + aboutInputs + `

The formats: a table; csv with the columns file, rank, index, label, prob; jsonl with an
object for each image, which --json prints as a list. --logits writes a safetensors file with the tensor "logits"
[images, classes], and the names of the images as a JSON list in its metadata ("files").

Classes of ImageNet get their words instead of the numbers of WordNet, also if weights with
1,000 classes do not name them. config.json of timm may have different words
(label_descriptions). Of weights that do not say what their classes are called, --config
with data.classes, or --set data.classes=FILE, does: a file with a name in each line, in
the order of the outputs.`,
		Example: `  fasternet-train predict runs/t0 cat.jpg dog.png
  fasternet-train predict runs/t0 photos/ --topk 1 --format csv --out photos.csv --on-bad-image skip
  fasternet-train predict runs/t0 batch.npy --logits logits.safetensors`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.path, args = args[0], args[1:]
			if topk < 1 {
				return usageError{fmt.Errorf("--topk: want 1 or more, got %d", topk)}
			}
			if !slices.Contains(predict.Formats, format) {
				return usageError{fmt.Errorf("--format: want %s, got %q", strings.Join(predict.Formats, ", "), format)}
			}
			if err := checkTTA(tta); err != nil {
				return usageError{err}
			}
			if wantsJSON() && out == "" && cmd.Flags().Changed("format") {
				return usageError{fmt.Errorf("--format %s: with --json, also give --out for the file", format)}
			}
			if err := checkOutputs(output{"--out", out, nil}, output{
				"--logits", logitsFile, checkLogitsFile,
			}); err != nil {
				return err
			}
			m, config, err := openInference(&f, "")
			if err != nil {
				return err
			}
			options := f.inputs(config, display(), "predict", false)
			var views string
			options.Transform, views, err = viewsOf(preprocess.Evaluation(config.Data, config.Model.InChans), tta)
			if err != nil {
				return err
			}
			if m.MultiLabel() && views != "" {
				return usageError{fmt.Errorf("--tta: %s has task multilabel, but this option needs one label per image",
					m.Path)}
			}
			names, note, err := f.classNames(m, config)
			if err != nil {
				return err
			}
			labels, labelsNote := m.Labels(names)
			answer, err := answersOf(m, labels, topk, cmd.Flags().Changed("topk"), thresholds)
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
			if views != "" && len(in.ArraySizes()) > 0 {
				return usageError{errors.New("--tta: an array is already prepared, and has only one view: " +
					"give image files")}
			}
			if dry.asked {
				does := fmt.Sprintf("classify %s with %s", printable.Count(in.Len(), "image"), which(m))
				return dry.say(does, out, logitsFile)
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
			show := display()
			if note != "" {
				show.Line("note: %s", note)
			}
			if note = labelsNote; note == "" {
				note = predict.DescribeNames(m.Model.Classes(), labels)
			}
			if note != "" {
				show.Line("note: %s", note)
			}
			showLeftOut(show, in.LeftOut)
			showPadding(show, m, in)
			if views != "" {
				show.Line("%s", views)
			}
			// On a terminal, the lines of the table are the progress.
			bar := out != "" || wantsJSON() || !term.IsTerminal(int(os.Stdout.Fd()))
			options.Progress = f.inputs(config, show, "predict", bar).Progress
			var objects bytes.Buffer
			classify := func(w io.Writer) (*predict.Outcome, error) {
				if wantsJSON() && out == "" {
					w, format = &objects, jsonLines
				}
				writer, err := predict.NewWriter(w, format, in, labels)
				if err != nil {
					return nil, err
				}
				return predict.Classify(
					cmd.Context(),
					runner,
					in,
					options,
					answer,
					writer,
					keep,
				)
			}
			outcome, err := withOutput(out, classify)
			show.End()
			if err != nil {
				return err
			}
			showSkipped(show, outcome.Skipped, false)
			showNotFinite(show, outcome.NotFinite)
			if keep != nil {
				if err := keep.Write(logitsFile, names); err != nil {
					return err
				}
			}
			if !wantsJSON() {
				return nil
			}
			return printPredictions(m, outcome, &objects, out, logitsFile, tta)
		},
	}
	f.register(c)
	registerTTA(c, &tta)
	c.Flags().StringArrayVar(&thresholds, "threshold", nil,
		"task multilabel: list labels from this `probability` on, for all labels or LABEL=probability; repeatable")
	c.Flags().IntVar(&topk, "topk", 5, "classes per image")
	c.Flags().StringVar(&format, "format", predict.Formats[0], "`format` of the output: table, csv or jsonl")
	c.Flags().StringVar(&out, "out", "", "write to `FILE` instead of standard output")
	c.Flags().StringVar(&logitsFile, "logits", "", "also write the logits to `FILE`.safetensors")
	dry.register(c)
	takesModel(c)
	return c
}

// jsonLines is the format of predictions with one JSON object per image.
const jsonLines = "jsonl"

// printPredictions prints the result for --json: the predictions, unless they are in a file.
func printPredictions(m *model.Loaded, o *predict.Outcome, objects *bytes.Buffer, out, logits, tta string) error {
	if tta == string(data.NoTTA) {
		tta = ""
	}
	var images []json.RawMessage
	for line := range bytes.Lines(objects.Bytes()) {
		images = append(images, json.RawMessage(line))
	}
	skipped := []string{}
	for _, s := range o.Skipped {
		skipped = append(skipped, s.Name)
	}
	return printJSON(struct {
		Model     string            `json:"model"`
		Weights   string            `json:"weights"`
		TTA       string            `json:"tta,omitempty"`
		Count     int               `json:"count"`
		Images    []json.RawMessage `json:"images,omitempty"`
		Skipped   []string          `json:"skipped"`
		NotFinite []string          `json:"not_finite,omitempty"`
		Out       string            `json:"out,omitempty"`
		Logits    string            `json:"logits,omitempty"`
	}{m.Path, m.Used(), tta, o.Count, images, skipped, o.NotFinite, out, logits})
}

func checkLogitsFile(path string) error {
	if !safetensors.IsFile(path) {
		return fmt.Errorf("%s: want a .safetensors file", path)
	}
	return nil
}

// inputs returns the options for package predict. With bar, a bar of that name shows the progress.
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

// withOutput returns standard output, or a file that appears after the work has succeeded.
func withOutput(path string, work func(io.Writer) (*predict.Outcome, error)) (outcome *predict.Outcome, err error) {
	if path == "" {
		return work(os.Stdout)
	}
	var failure error // returned unchanged: it may not come from writing
	err = checkpoints.WriteAtomic(path, func(w io.Writer) error {
		outcome, failure = work(w)
		return failure
	})
	if failure != nil {
		err = failure
	}
	return outcome, err
}
