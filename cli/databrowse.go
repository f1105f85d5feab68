package cli

import (
	"errors"
	"fmt"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/preprocess"
	"fasternet/data/sets"
	"fasternet/eval/viz"
	"fasternet/train"

	"github.com/spf13/cobra"
)

func browseCommand() *cobra.Command {
	var f datasetFlags
	var out string
	var count, epoch int
	var dry dryRun
	c := &cobra.Command{
		Use:   "browse CONFIG --out FILE",
		Short: "Draw training images as the model sees them",
		Long: `Draw the first training images of an epoch as the model will see them: cropped, augmented,
normalised and mixed, as a picture (.png) or a page (.html). Each has its class below (a mixed
image both, with their shares λ), its file, and what was done to it. ` + datasetHelp,
		Example: `  fasternet-train data browse fasternet_t0 --data /data/imagenet --out samples.png
  fasternet-train data browse my.yaml --epoch 280 --count 64 --out samples.html`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case out == "":
				return usageError{errors.New("--out: want a .png or .html file")}
			case count < 1:
				return usageError{fmt.Errorf("--count: want 1 or more, got %d", count)}
			case epoch < 1:
				return usageError{fmt.Errorf("--epoch: want 1 or more, got %d", epoch)}
			}
			if err := checkOutputs(output{"--out", out, viz.CheckFile}); err != nil {
				return err
			}
			config, err := f.config(args[0])
			if err != nil {
				return err
			}
			ds, err := sets.Open(cmd.Context(), config.Data, true)
			if err != nil {
				return err
			}
			if dry.asked {
				return dry.say(fmt.Sprintf("draw %d of %d training images", min(count, ds.Len()), ds.Len()), out)
			}
			sheet, err := browse(cmd, config, ds, epoch-1, count)
			if err != nil {
				return err
			}
			if s := config.Augment.Smoothing; s > 0 && config.Classifies() {
				if config.Data.MultiLabel {
					sheet.Notes = append(sheet.Notes, fmt.Sprintf(
						"Labels are smoothed: %g of each is spread over yes and no (augment.smoothing).", s))
				} else {
					sheet.Notes = append(sheet.Notes, fmt.Sprintf(
						"Labels are smoothed: %g of each is spread over all classes (augment.smoothing).", s))
				}
			}
			sheet.Title = fmt.Sprintf("%s: training images of epoch %d", args[0], epoch)
			if err := sheet.Write(out); err != nil {
				return err
			}
			return printJSON(struct {
				Count int    `json:"count"`
				Out   string `json:"out"`
			}{min(count, ds.Len()), out})
		},
	}
	f.register(c)
	dry.register(c)
	_ = c.Flags().MarkHidden("split")
	c.Flags().StringVar(&out, "out", "", "`FILE`.png or .html")
	c.Flags().IntVar(&count, "count", 32, "largest number of images")
	c.Flags().IntVar(&epoch, "epoch", 1, "epoch of the run, from 1, which decides crops and sizes")
	return c
}

func browse(cmd *cobra.Command, config *configs.Config, ds data.Dataset, epoch, count int) (*viz.Sheet, error) {
	if n := config.Data.MaxPerClass; n > 0 {
		ds = data.Few(ds, n, config.Seed)
	}
	loader, err := train.Loader(config, ds, epoch, true)
	if err != nil {
		return nil, err
	}
	t := preprocess.Evaluation(config.Data, config.Model.InChans)
	return viz.Samples(cmd.Context(), loader, ds, epoch, count, viz.Colours{Mean: t.Mean, Std: t.Std})
}
