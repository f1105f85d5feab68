package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/preprocess"
	"fasternet/data/sets"
	"fasternet/eval/viz"
	"fasternet/graph"
	"fasternet/internal/printable"
	"fasternet/kernels"
	"fasternet/model"

	"github.com/spf13/cobra"
)

func vizCommand() *cobra.Command {
	var f modelFlags
	var out, dataDir, split string
	var count, block int
	var seed uint64
	var dry dryRun
	c := &cobra.Command{
		Use:   "viz MODEL [IMAGES...] --out FILE",
		Short: "Draw what a model reconstructs, or where it looks",
		Long: `Draw what a model does with some images, as a page (.html) or a picture (.png).

MODEL is the folder of a run (its best checkpoint), a checkpoint, or weights of PyTorch with
--config. IMAGES are files and folders. Without them, the first validation images are used; for a
classifier the first of each class.

A pre-training (task localmim): each image, what the encoder sees, and for every scale the mask,
the target, the prediction and the error. HOG is drawn as glyphs: each cell has a line for every
orientation, along the edge. If the model predicts normalised pixels, they are shown with the true
mean and deviation of each cell.

A classifier: Grad-CAM over each image, for the predicted class, with its probability. A ViT also
shows where the last block and each of its heads look, or another block with --block; without a
classifier it shows only this.

The page is a single file. Equal arguments give equal files.
The last line on standard output is a JSON object: count, kind (reconstruction, gradcam or
attention), out and weights (ema or plain).`,
		Example: `  fasternet-train viz runs/mim_quickstart --out page.html
  fasternet-train viz runs/mim_quickstart cat.jpg dog.jpg --out sheet.png --seed 7
  fasternet-train viz localmim_vit.pth photos/ --config mim_vit_base --out page.html
  fasternet-train viz runs/flowers --data /data/flowers --count 20 --out where.html
  fasternet-train viz runs/vit cat.jpg --block 6 --out sixth.png`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case out == "":
				return usageError{errors.New("--out: want a .html or .png file")}
			case split != string(data.Train) && split != string(data.Val):
				return usageError{fmt.Errorf("--split: want train or val, got %q", split)}
			case count < 1:
				return usageError{fmt.Errorf("--count: want 1 or more, got %d", count)}
			}
			if cmd.Flags().Changed("block") && block < 1 {
				return usageError{fmt.Errorf("--block: want a block from 1 on, got %d", block)}
			}
			if err := checkOutputs(output{"--out", out, viz.CheckFile}); err != nil {
				return err
			}
			f.path = args[0]
			d := &drawing{
				flags:   &f,
				dataDir: dataDir,
				images:  args[1:],
				train:   split == string(data.Train),
				dry:     dry.asked,
			}
			d.options = viz.Options{Title: args[0], Most: count, Seed: seed, Block: block}
			if len(d.images) > 0 && !cmd.Flags().Changed("count") {
				d.options.Most = 0
			}
			d.ownSeed = cmd.Flags().Changed("seed")
			kind, sheet, err := d.draw(cmd)
			if err != nil {
				return err
			}
			if dry.asked {
				return dry.say(fmt.Sprintf("draw %s (%s) of %s", printable.Count(d.count, "image"), kind, args[0]), out)
			}
			if err := sheet.Write(out); err != nil {
				return err
			}
			return printJSON(struct {
				Count   int    `json:"count"`
				Kind    string `json:"kind"`
				Out     string `json:"out"`
				Weights string `json:"weights"`
			}{len(sheet.Entries), kind, out, (&model.Loaded{Average: d.average}).Used()})
		},
	}
	f.registerModel(c)
	c.Flags().StringVar(&out, "out", "", "`FILE`.html or .png")
	c.Flags().StringVar(&dataDir, "data", "", "`folder` of the data set")
	c.Flags().StringVar(&split, "split", string(data.Val), "`part` of the data set: train or val")
	c.Flags().IntVar(&count, "count", 8, "largest number of images (all that are named)")
	c.Flags().Uint64Var(&seed, "seed", 0, "seed of the masks (default: the run's)")
	c.Flags().IntVar(&block, "block", 0,
		"`number` of the block of a ViT whose attention is drawn, from 1 (default: the last)")
	dry.register(c)
	takesModel(c)
	return c
}

// drawing says what to draw, and from what.
type drawing struct {
	flags   *modelFlags
	dataDir string
	images  []string
	train   bool
	ownSeed bool // the options have a seed
	average bool // the weights are averaged
	across  bool // take images of all classes
	dry     bool // draw nothing
	count   int  // of the images to draw
	options viz.Options
}

func (d *drawing) draw(cmd *cobra.Command) (kind string, sheet *viz.Sheet, err error) {
	f := d.flags
	if err := resolveLoad(&f.load, f.ema); err != nil {
		return "", nil, err
	}
	var notes []string
	f.load.Report = func(t model.Table) {
		notes, d.average = t.Notes, t.EMA
	}
	net, err := model.OpenLocalMIM(f.path, f.load)
	var wrong model.ConfigError
	switch {
	case errors.Is(err, model.ErrNotPretraining):
		return d.explanations(cmd)
	case errors.As(err, &wrong):
		return "", nil, usageError{err}
	case err != nil:
		return "", nil, err
	case d.flags.size != 0 && d.flags.size != net.Config().Data.ImageSize:
		return "", nil, usageError{fmt.Errorf("--size: a pre-training has one image size, %d",
			net.Config().Data.ImageSize)}
	}
	if d.options.Block > 0 {
		return "", nil, usageError{errors.New("--block: the page of a pre-training shows reconstructions and no " +
			"attention: export its encoder, and draw that")}
	}
	showNotes(notes)
	c, err := d.flags.config(net.Config(), d.dataDir)
	if err != nil {
		return "", nil, usageError{err}
	}
	ds, err := d.prepare(cmd.Context(), c, fmt.Sprintf("LocalMIM of a %s: %s", c.Model.Name, d.flags.path))
	if err != nil || d.dry {
		return "reconstruction", nil, err
	}
	pool := kernels.NewPool(c.Threads)
	defer pool.Close()
	runner, err := model.NewMIMRunner(c.In("fp32"), net, pool)
	if err != nil {
		return "", nil, err
	}
	sheet, err = viz.Reconstructions(cmd.Context(), runner, ds, d.options)
	return "reconstruction", sheet, err
}

func (d *drawing) explanations(cmd *cobra.Command) (kind string, sheet *viz.Sheet, err error) {
	d.flags.load.Headless = true // attention needs no classifier
	m, c, err := openModel(d.flags, d.dataDir)
	if err != nil {
		return "", nil, err
	}
	d.average = m.Average
	if m.Headless && !viz.Attentive(m.Model) {
		return "", nil, fmt.Errorf("%s has no classifier, which Grad-CAM needs", m.Path)
	}
	if b := d.options.Block; b > 0 {
		if err := viz.CheckBlock(m.Model, b); err != nil {
			return "", nil, usageError{fmt.Errorf("--block: %w", err)}
		}
	}
	kind, what := "gradcam", "Where a %s looks: %s"
	if m.Headless {
		kind, what = "attention", "Attention of a %s: %s"
	}
	net, err := graph.ForInference(m.Model)
	if err != nil {
		return "", nil, err
	}
	d.across = true
	ds, err := d.prepare(cmd.Context(), c, fmt.Sprintf(what, c.Model.Title(), d.flags.path))
	if err != nil || d.dry {
		return kind, nil, err
	}
	pool := kernels.NewPool(c.Threads)
	defer pool.Close()
	runner, err := model.NewRunner(c.In("fp32"), net, pool)
	if err != nil {
		return "", nil, err
	}
	d.options.Headless, d.options.MultiLabel, d.options.SkipBad = m.Headless, m.MultiLabel(), d.flags.skipBad()
	names := m.Classes
	if len(names) == 0 && len(d.images) == 0 && len(ds.Classes()) == m.Model.Classes() {
		names = ds.Classes()
	}
	sheet, err = viz.Explanations(cmd.Context(), runner, ds, names, d.options)
	return kind, sheet, err
}

// prepare completes the options and opens the images.
func (d *drawing) prepare(ctx context.Context, c *configs.Config, title string) (ds data.Dataset, err error) {
	o := &d.options
	o.Title, o.Transform, o.Workers = title, preprocess.Evaluation(c.Data, c.Model.InChans), c.Data.Workers
	if !d.ownSeed {
		o.Seed = c.Seed
	}
	var left []data.LeftOut
	if len(d.images) == 0 {
		if ds, err = sets.Open(ctx, c.Data, d.train); err == nil {
			left = data.LeftOutOf(ds)
			if d.across {
				ds = data.Subset(ds, viz.AcrossClasses(ds, o.Most))
			}
		}
	} else {
		var files sets.Files
		how, wrong := preprocess.Decoding(c.Data)
		if wrong != nil {
			return nil, wrong
		}
		files, left, err = listImages(d.images)
		ds = files.As(how)
	}
	if err != nil {
		return nil, err
	}
	show := display()
	showLeftOut(show, left)
	if d.count = shown(ds.Len(), o.Most); !d.dry {
		show.Line("drawing %s", printable.Count(d.count, "image"))
	}
	return ds, nil
}

func shown(images, most int) int {
	if most > 0 {
		return min(images, most)
	}
	return images
}

// listImages lists image files, and the image files in folders.
func listImages(paths []string) (files sets.Files, left []data.LeftOut, err error) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, nil, fmt.Errorf("image: %w", err)
		}
		found := sets.Files{path}
		if info.IsDir() {
			var more []data.LeftOut
			if found, more, err = sets.ListImages(path); err != nil {
				return nil, nil, err
			}
			left = append(left, more...)
		}
		files = append(files, found...)
	}
	return files, left, nil
}
