package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/eval"
	"fasternet/train"
	"fasternet/viz"

	"github.com/spf13/cobra"
)

func dataVerifyCommand() *cobra.Command {
	var f datasetFlags
	c := &cobra.Command{
		Use:   "verify DATASET",
		Short: "Decode every image and list those that are broken",
		Long: `Decode every image of a data set, strictly, and list those that cannot be used, one
a line on standard output. The last line is a JSON object: images and broken. The
exit code is 1 if there are any. ` + datasetHelp,
		Example: `  fasternet-train data verify /data/imagenet
  fasternet-train data verify my.yaml --split train > broken.txt`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := f.config(args[0])
			if err != nil {
				return err
			}
			parts, err := f.open(config)
			if err != nil {
				return err
			}
			show := train.NewDisplay(os.Stderr)
			images, broken := 0, 0
			for _, p := range parts {
				show.Begin(p.name, 0, p.Len())
				found, err := data.Verify(cmd.Context(), p.Dataset, config.Data.Workers, func(done, _ int) { show.Step(done, p.name) })
				show.End()
				if err != nil {
					return err
				}
				for _, b := range found {
					fmt.Println(b.Err)
				}
				images, broken = images+p.Len(), broken+len(found)
			}
			if err := printJSON(struct {
				Images int `json:"images"`
				Broken int `json:"broken"`
			}{images, broken}); err != nil || broken == 0 {
				return err
			}
			return fmt.Errorf("%d of %d images are broken", broken, images)
		},
	}
	f.register(c)
	return c
}

func browseCommand() *cobra.Command {
	var f datasetFlags
	var out string
	var count, epoch int
	c := &cobra.Command{
		Use:   "browse CONFIG --out FILE",
		Short: "Draw training images as the model sees them",
		Long: `Draw the first training images of an epoch as the model will see them: cropped,
augmented, normalised and mixed, with their targets, as a picture (.png) or a page
(.html). ` + datasetHelp,
		Example: `  fasternet-train data browse fasternet_t0 --data /data/imagenet --out samples.png
  fasternet-train data browse my.yaml --epoch 280 --count 64 --out samples.html`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case out == "":
				return usageError{errors.New("--out: want a file .png or .html")}
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
			ds, err := eval.Open(config.Data, true)
			if err != nil {
				return err
			}
			sheet, err := browse(cmd, config, ds, epoch-1, count)
			if err != nil {
				return err
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
	_ = c.Flags().MarkHidden("split")
	c.Flags().StringVar(&out, "out", "", "`FILE`.png or .html")
	c.Flags().IntVar(&count, "count", 32, "images at most")
	c.Flags().IntVar(&epoch, "epoch", 1, "of the run, from 1: crops and sizes are drawn by epoch")
	return c
}

func browse(cmd *cobra.Command, config *configs.Config, ds data.Dataset, epoch, count int) (*viz.Sheet, error) {
	if n := config.Data.MaxPerClass; n > 0 {
		ds = data.Few(ds, n, config.Seed)
	}
	loader, err := train.Loader(config, ds, epoch)
	if err != nil {
		return nil, err
	}
	t := eval.Transform(config.Data, config.Model.InChans)
	return viz.Samples(cmd.Context(), loader, ds, epoch, count, viz.Colours{Mean: t.Mean, Std: t.Std})
}

func packCommand() *cobra.Command {
	var f datasetFlags
	var out, form, onBad string
	o := data.PackOptions{}
	c := &cobra.Command{
		Use:   "pack DATASET --out FOLDER",
		Short: "Write a data set into one file a part, for many epochs on few cores",
		Long: `Write the parts of a data set as FOLDER/train.pack and FOLDER/val.pack, with images
that are no larger than training needs. They are read through the page cache, in any
order, with a checksum for every image (data.name: packed).

--form jpeg keeps image files and makes larger ones smaller; decoded stores pixels,
which takes about ten times the space and no time to decode. An interrupted call goes
on where it was. ` + datasetHelp,
		Example: `  fasternet-train data pack /data/imagenet --out /fast/imagenet --short-side 256
  fasternet-train data pack /data/flowers --out packed --form decoded
  fasternet-train train my.yaml --data packed --set data.name=packed`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return usageError{errors.New("--out: want a folder")}
			}
			o.Form = data.PackForm(form)
			show := train.NewDisplay(os.Stderr)
			switch onBad {
			case "error":
			case "skip":
				o.SkipBad = func(err error) { show.Line("left out: %v", err) }
			default:
				return usageError{fmt.Errorf("--on-bad-image: want error or skip, got %q", onBad)}
			}
			if err := o.Check(); err != nil {
				return usageError{err}
			}
			config, err := f.config(args[0])
			if err != nil {
				return err
			}
			parts, err := f.open(config)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(out, 0o755); err != nil {
				return fmt.Errorf("--out: %w", err)
			}
			results := map[data.Split]data.PackResult{}
			for _, p := range parts {
				path := filepath.Join(out, string(p.split)+".pack")
				show.Line("packing %d %s images into %s", p.Len(), p.name, path)
				show.Begin(p.name, 0, p.Len())
				o.Progress = func(done, _ int) { show.Step(done, p.name) }
				r, err := data.Pack(cmd.Context(), path, p.Dataset, o)
				show.End()
				if err != nil {
					return err
				}
				results[p.split] = r
			}
			return printJSON(results)
		},
	}
	f.register(c)
	c.Flags().StringVar(&out, "out", "", "`folder` for train.pack and val.pack")
	c.Flags().StringVar(&form, "form", string(data.PackJPEG), "jpeg or decoded")
	c.Flags().IntVar(&o.ShortSide, "short-side", 256, "make images with a longer short side smaller; 0 for not")
	c.Flags().IntVar(&o.Quality, "quality", 95, "of JPEG files that are written anew")
	c.Flags().StringVar(&onBad, "on-bad-image", "error", "error, or skip: leave out what cannot be read")
	return c
}

func shardCommand() *cobra.Command {
	var f datasetFlags
	var out string
	o := data.ShardOptions{}
	c := &cobra.Command{
		Use:   "shard DATASET --out FOLDER",
		Short: "Write a data set as tar files in WebDataset form",
		Long: `Write the parts of a data set as tar files in WebDataset form, FOLDER/train-000000.tar
and so on, with the image files as they are, class indices, classes.txt and _info.json
(data.name: shards). ` + datasetHelp,
		Example: `  fasternet-train data shard /data/imagenet --out /data/shards
  fasternet-train data shard my.yaml --out shards --per-shard 1000 --shuffle`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case out == "":
				return usageError{errors.New("--out: want a folder")}
			case o.PerShard < 1:
				return usageError{fmt.Errorf("--per-shard: want 1 or more, got %d", o.PerShard)}
			}
			config, err := f.config(args[0])
			if err != nil {
				return err
			}
			parts, err := f.open(config)
			if err != nil {
				return err
			}
			show := train.NewDisplay(os.Stderr)
			counts := map[string]int{}
			for _, p := range parts {
				show.Begin(p.name, 0, p.Len())
				o.Name, o.Seed = string(p.split), config.Seed
				o.Progress = func(done, _ int) { show.Step(done, p.name) }
				err := data.WriteShards(cmd.Context(), out, p.Dataset, o)
				show.End()
				if err != nil {
					return err
				}
				counts[o.Name] = p.Len()
			}
			return printJSON(counts)
		},
	}
	f.register(c)
	c.Flags().StringVar(&out, "out", "", "`folder` for the shards")
	c.Flags().IntVar(&o.PerShard, "per-shard", 5000, "images in a shard")
	c.Flags().BoolVar(&o.Shuffle, "shuffle", false, "in a random order (seed), for programs that read shards from end to end")
	return c
}
