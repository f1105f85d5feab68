package cli

import (
	"fmt"

	"fasternet/data"
	"fasternet/data/preprocess"
	"fasternet/data/sets"
	"fasternet/eval/predict"
	"fasternet/internal/printable"
	"fasternet/kernels"
	"fasternet/model"

	"github.com/spf13/cobra"
)

func featuresCommand() *cobra.Command {
	var f modelFlags
	var dry dryRun
	var stage, pooling, out, dataDir, split string
	var dataset bool
	c := &cobra.Command{
		Use:   "features MODEL [INPUT...] --out FILE",
		Short: "Write features of images",
		Long: `Write the features of images: what a model computes before it classifies them.

` + aboutInputs + `
With --dataset, they are the images of the data set that the model was trained on.

--stage says which features: pooled, the mean over the last map [images, channels];
prelogits, what the last linear layer gets [images, features]; 1, 2, …, the map at the
end of that stage [images, channels, height, width]; all, the maps of all stages. With
--pool avg there is the mean of each map instead.

A .safetensors file has a tensor for each kind, named pooled, prelogits, stage1, stage2,
…, the tensor labels with --dataset, and the names of the images as a JSON list in its
metadata ("files"). An .npy file has one array; the names go to a .csv file next to it.

The model may be one without a classifier: the run of a pre-training, whose encoder is taken, or an
export of it. The pre-training of a FasterNet has no prelogits.

The last line on standard output is a JSON object: count, the shapes by name, and weights
(ema or plain).`,
		Example: `  fasternet-train features runs/t0 photos/ --out photos.npy
  fasternet-train features runs/t0 --dataset --split train --out train.safetensors
  fasternet-train features runs/t0 cat.jpg --stage all --out maps.safetensors`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.path, args = args[0], args[1:]
			which, err := predict.FeatureName(stage)
			if err != nil {
				return usageError{fmt.Errorf("--stage: %w", err)}
			}
			switch {
			case dataset == (len(args) > 0):
				return usageError{fmt.Errorf("want images, or --dataset, after MODEL; see features --help")}
			case pooling != "none" && pooling != "avg":
				return usageError{fmt.Errorf("--pool: want avg or none, got %q", pooling)}
			case split != string(data.Train) && split != string(data.Val):
				return usageError{fmt.Errorf("--split: want train or val, got %q", split)}
			case out == "":
				return usageError{fmt.Errorf("--out: want a .npy or .safetensors file")}
			}
			if err := checkOutputs(output{
				"--out", out,
				func(path string) error { return predict.CheckFeaturesFile(path, which) },
			}); err != nil {
				return err
			}
			f.load.Encoder = true
			m, config, err := openInference(&f, dataDir)
			if err != nil {
				return err
			}
			if err := m.HasFeatures(which); err != nil {
				return usageError{fmt.Errorf("--stage %s: %w", stage, err)}
			}
			how, err := preprocess.Decoding(config.Data)
			if err != nil {
				return err
			}
			var in *predict.Inputs
			if dataset {
				ds, err := sets.Open(cmd.Context(), config.Data, split == string(data.Train))
				if err != nil {
					return err
				}
				in = predict.FromDataset(ds)
			} else if in, err = predict.Open(args, m.Model.Channels(), how); err != nil {
				return err
			}
			if dry.asked {
				return dry.say(
					fmt.Sprintf("compute the features %s of %s with %s",
						stage, printable.Count(in.Len(), "image"), m.Path),
					out,
				)
			}
			pool := kernels.NewPool(config.Threads)
			defer pool.Close()
			show := display()
			showLeftOut(show, in.LeftOut)
			showPadding(show, m, in)
			runner, err := model.NewRunner(config, m.Model, pool)
			if err != nil {
				return err
			}
			features, err := predict.Extract(
				cmd.Context(),
				runner,
				in,
				f.inputs(config, show, "features", true),
				which,
				pooling == "avg",
			)
			show.End()
			if err != nil {
				return err
			}
			showSkipped(show, features.Skipped, false)
			showNotFinite(show, features.NotFinite)
			if err := features.Write(out); err != nil {
				return err
			}
			shapes := map[string][]int{}
			for _, a := range features.Arrays {
				shapes[a.Name] = a.Shape
			}
			return printJSON(struct {
				Count   int              `json:"count"`
				Shapes  map[string][]int `json:"shapes"`
				Out     string           `json:"out"`
				Weights string           `json:"weights"`
			}{features.Count, shapes, out, m.Used()})
		},
	}
	f.register(c)
	c.Flags().StringVar(&out, "out", "", "`FILE`.npy or .safetensors")
	c.Flags().
		StringVar(&stage, "stage", predict.Pooled, "`which` features: pooled, prelogits, all, or the number of a stage")
	c.Flags().StringVar(&pooling, "pool", "none", "`pooling` of maps: avg or none")
	c.Flags().BoolVar(&dataset, "dataset", false, "use the images of the model's data set, with their labels")
	c.Flags().StringVar(&dataDir, "data", "", "`folder` of the data set, with --dataset")
	c.Flags().StringVar(&split, "split", string(data.Val), "`part` of the data set: train or val")
	dry.register(c)
	takesModel(c)
	return c
}
