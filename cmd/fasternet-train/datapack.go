package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"fasternet/data"
	"fasternet/train"

	"github.com/spf13/cobra"
)

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
			showPartsLeftOut(show, config.Data, parts)
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
