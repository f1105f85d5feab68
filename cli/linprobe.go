package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"fasternet/data"
	"fasternet/data/preprocess"
	"fasternet/eval/probe"
	"fasternet/internal/printable"
	"fasternet/train"

	"github.com/spf13/cobra"
)

func linprobeCommand() *cobra.Command {
	var f probeFlags
	var save string
	var augment bool
	o := probe.DefaultLinear()
	c := &cobra.Command{
		Use:   "linprobe MODEL",
		Short: "Evaluate a frozen encoder with a linear classifier",
		Long: `Train a batch norm without learned factors and a linear layer on the features of the training
images, and evaluate them on the validation images after every epoch, as in MAE's evaluation of
pre-trained encoders: LARS with momentum 0.9, no weight decay, a learning rate of 0.1 for 256
images per step, warm-up, and cosine to 0.

` + aboutProbes + `

The features are computed once, and so without augmentation. With --augment they are
computed again for every epoch, from random crops (8 to 100 % of the area; images of about
32 px are shifted instead) and flips, which takes as long as that many evaluations.

LARS is made for large batches and long runs; a step of it moves the weights by a
thousandth of their size or so. With few images or epochs, take --opt sgd.

Standard output gets a line an epoch. Its last line is a JSON object: top1, top5 (percent)
and loss of the last epoch, best_top1 and best_epoch, epochs, count and training_count
(images), features, width and model.`,
		Example: `  fasternet-train linprobe runs/pretrained --data /data/imagenet
  fasternet-train linprobe runs/quickstart --epochs 20 --opt sgd
  fasternet-train linprobe --load features.safetensors --max-per-class 60 --opt sgd --train-batch 128
  fasternet-train linprobe runs/quickstart --augment --epochs 10 --save head.safetensors`,
		Args: cobra.MaximumNArgs(1), // no argument with --load
		RunE: func(cmd *cobra.Command, args []string) error {
			f.path = strings.Join(args, "")
			if !cmd.Flags().Changed("warmup-epochs") {
				o.WarmupEpochs = o.Epochs / 9
			}
			o.Seed = f.seed
			if err := o.Validate(); err != nil {
				return usageError{err}
			}
			if err := f.check(); err != nil {
				return err
			}
			if err := checkOutputs(output{"--save", save, probe.CheckDumpFile}); err != nil {
				return err
			}
			show := display()
			e, pool, err := f.features(cmd, show, !augment)
			if err != nil {
				return err
			}
			if f.dry.asked {
				return f.sayDry("train a classifier on", e, save)
			}
			defer pool.Close()
			if o.Short(e.images()) {
				show.Line("warning: too few steps for lars, the weights will hardly move: use --opt sgd")
			}
			images := probe.Always(e.Train)
			if augment {
				images = e.augmented(cmd, &f, show)
			} else {
				show.Line("using the same features in every epoch; --augment computes them again")
			}
			printable.Printf("epoch  rate      train loss  loss     top-1    top-5\n")
			o.Report = func(p probe.Epoch) {
				printable.Printf("%5d  %-8.3g  %-10.4f  %-7.4f  %5.2f %%  %5.2f %%\n",
					p.Number, p.LR, p.Loss, p.Val.Loss, p.Val.Top1, p.Val.Top5)
			}
			head, epochs, err := probe.Linear(cmd.Context(), pool, images, e.Val, o)
			if err != nil {
				return err
			}
			if save != "" {
				if err := saveHead(save, head, e); err != nil {
					return err
				}
			}
			return printProbe(epochs, e.source())
		},
	}
	f.register(c)
	c.Flags().IntVar(&o.Epochs, "epochs", o.Epochs, "epochs to train")
	c.Flags().IntVar(&o.WarmupEpochs, "warmup-epochs", o.WarmupEpochs, "warm-up epochs; default: a ninth of --epochs")
	c.Flags().IntVar(&o.Batch, "train-batch", o.Batch, "features per step (--batch is for the model)")
	c.Flags().Float64Var(&o.BaseLR, "base-lr", o.BaseLR, "peak learning rate for 256 features per step")
	c.Flags().StringVar(&o.Optimizer, "opt", o.Optimizer, "`optimizer`: lars or sgd")
	c.Flags().
		BoolVar(&augment, "augment", false, "compute the training features in every epoch from random crops and flips")
	c.Flags().StringVar(&save, "save", "", "write the trained layers to `FILE`.safetensors")
	c.MarkFlagsMutuallyExclusive("augment", "load")
	c.MarkFlagsMutuallyExclusive("augment", "dump")
	takesModel(c)
	return c
}

// augmented computes the training features of an epoch from images that are cropped and flipped at random.
func (e *encoder) augmented(c *cobra.Command, f *probeFlags, show *train.Display) func(epoch int) (*probe.Set, error) {
	t := preprocess.Evaluation(e.config.Data, e.config.Model.InChans)
	transform := &data.TrainTransform{
		Size:          t.Size,
		Scale:         [2]float64{0.08, 1},
		Ratio:         [2]float64{3.0 / 4, 4.0 / 3},
		HFlip:         0.5,
		OneDraw:       true,
		Padding:       e.config.Augment.Padding,
		Interpolation: t.Interpolation,
		Mean:          t.Mean,
		Std:           t.Std,
		Channels:      t.Channels,
	}
	return func(epoch int) (*probe.Set, error) {
		in := f.inputs(e.config, show, fmt.Sprint("epoch ", epoch+1), true)
		in.Transform, in.Seed, in.Epoch = transform, f.seed, epoch
		var err error
		e.Train, _, err = probe.Extract(c.Context(), e.runner, e.train, in, e.which)
		show.End()
		return e.Train, err
	}
}

// saveHead writes the layers, with what they belong to.
func saveHead(path string, head *probe.Head, e *encoder) error {
	classes, err := json.Marshal(e.Val.Classes)
	if err != nil {
		return err
	}
	return head.Write(path, map[string]string{"classes": string(classes), "features": e.Which, "model": e.Model})
}

func printProbe(epochs []probe.Epoch, from source) error {
	last, best := epochs[len(epochs)-1], epochs[0]
	for _, p := range epochs {
		if p.Val.Top1 > best.Val.Top1 {
			best = p
		}
	}
	return printJSON(struct {
		Top1      float64  `json:"top1"`
		Top5      float64  `json:"top5"`
		Loss      *float64 `json:"loss"`
		BestTop1  float64  `json:"best_top1"`
		BestEpoch int      `json:"best_epoch"`
		Epochs    int      `json:"epochs"`
		source
	}{last.Val.Top1, last.Val.Top5, number(last.Val.Loss), best.Val.Top1, best.Number, len(epochs), from})
}
