package main

import (
	"fmt"
	"os"

	"fasternet/configs"
	"fasternet/eval"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/train"

	"github.com/spf13/cobra"
)

func evalCommand() *cobra.Command {
	var path, dataDir string
	var batch, threads, size int
	var cropRatio float64
	c := &cobra.Command{
		Use:   "eval --model CHECKPOINT",
		Short: "Evaluate a checkpoint",
		Long: `Evaluate a checkpoint, the best one in the folder of a run, or an exported model
(.safetensors, or a .onnx file that "export" wrote) on the validation images of
the data set that it was trained on, or of another of the same kind.

The last line on standard output is a JSON object: top1 and top5 (percent), loss
(nats) and count (images).`,
		Example: `  fasternet-train eval --model runs/quickstart
  fasternet-train eval --model runs/t0/checkpoints/last.safetensors --data /data/imagenet --crop-ratio 1
  fasternet-train eval --model quickstart.onnx`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path == "" {
				return usageError{fmt.Errorf("--model: want a checkpoint, or the folder of a run")}
			}
			m, err := model.Load(path)
			if err != nil {
				return err
			}
			config, err := evalConfig(m.Config, dataDir, batch, threads, size, cropRatio)
			if err != nil {
				return usageError{err}
			}
			ds, err := eval.Open(config.Data, false)
			if err != nil {
				return err
			}
			if got, want := len(ds.Classes()), m.Model.Classes(); got > want {
				return fmt.Errorf("the data set has %d classes, the model only %d", got, want)
			}
			pool := kernels.NewPool(config.Threads)
			defer pool.Close()
			show := train.NewDisplay(os.Stderr)
			show.Line("evaluating %s on %d images, %d threads, %s kernels", m.Path, ds.Len(), pool.Workers(), kernels.Active())
			show.Begin("evaluation", 0, ds.Len())
			result, err := eval.Evaluate(cmd.Context(), graph.NewRunner(m.Model, pool), ds, eval.Transform(config.Data, config.Model.InChans), eval.Options{
				Batch: config.Train.ValBatchSize, Workers: config.Data.Workers,
				Progress: func(done, _ int) { show.Step(done, "evaluation") },
			})
			show.End()
			if err != nil {
				return err
			}
			show.Line("top-1 %.2f %%, top-5 %.2f %%, loss %.4f", result.Top1, result.Top5, result.Loss)
			return printJSON(struct {
				eval.Result
				Model string `json:"model"`
			}{result, m.Path})
		},
	}
	c.Flags().StringVar(&path, "model", "", "`checkpoint`, or folder of a run")
	c.Flags().StringVar(&dataDir, "data", "", "`folder` of the data set")
	c.Flags().IntVar(&batch, "batch", 0, "images at a time (train.val_batch_size)")
	c.Flags().IntVar(&threads, "threads", 0, "threads of the kernels; 0 for one a processor")
	c.Flags().IntVar(&size, "size", 0, "side of the images (data.image_size)")
	c.Flags().Float64Var(&cropRatio, "crop-ratio", 0, "part of the image that is looked at (data.test_crop_ratio)")
	return c
}

// evalConfig applies the options to the configuration of a checkpoint, through
// the checks of package configs.
func evalConfig(c *configs.Config, dataDir string, batch, threads, size int, cropRatio float64) (*configs.Config, error) {
	settings := []string{fmt.Sprintf("threads=%d", threads)}
	if dataDir != "" {
		settings = append(settings, "data.dir="+quoted(dataDir))
	}
	if batch != 0 {
		settings = append(settings, fmt.Sprintf("train.val_batch_size=%d", batch))
	}
	if size != 0 {
		settings = append(settings, fmt.Sprintf("data.image_size=%d", size), "data.multi_scale=''")
	}
	if cropRatio != 0 {
		settings = append(settings, fmt.Sprintf("data.test_crop_ratio=%v", cropRatio))
	}
	text, err := c.YAML()
	if err != nil {
		return nil, err
	}
	return configs.Parse("config in the checkpoint", string(text), settings...)
}
