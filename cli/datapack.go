package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"fasternet/data"
	"fasternet/data/sets"

	"github.com/spf13/cobra"
)

func packCommand() *cobra.Command {
	var f datasetFlags
	var dry dryRun
	var out, form, onBad string
	o := sets.PackOptions{}
	c := &cobra.Command{
		Use:   "pack DATASET --out FOLDER",
		Short: "Pack a data set into one file per part, for fast training on few cores",
		Long: `Write the parts of a data set as FOLDER/train.pack and FOLDER/val.pack, with images no larger
than training needs. Training reads them through the page cache, in any order, with a checksum
for every image (data.name: packed).

--form jpeg keeps image files byte for byte, and shrinks those whose short side is longer than
--short-side: lossless files (PNG, TIFF, BMP, GIF, PNM, lossless WebP) become PNG, without
further loss, and others JPEG of --quality. --lossy writes all shrunk images as JPEG, which
takes less space. --form decoded stores pixels: about ten times the space, but no decoding.

The EXIF orientation of an image is kept, so data.orientation means the same as in the source.
16-bit images that are shrunk or stored as pixels become 8-bit, as data.sixteen_bit says. An
interrupted command continues where it was.

The last line is a JSON object for each part: samples, kept (unchanged files),
lossless and lossy (shrunk files), pixels, and others. ` + datasetHelp,
		Example: `  fasternet-train data pack /data/imagenet --out /fast/imagenet --short-side 256
  fasternet-train data pack /data/flowers --out packed --form decoded
  fasternet-train train my.yaml --data packed --set data.name=packed`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return usageError{errors.New("--out: want a folder")}
			}
			o.Form = sets.PackForm(form)
			show := display()
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
			parts, err := f.open(cmd.Context(), config)
			if err != nil {
				return err
			}
			showPartsLeftOut(show, config.Data, parts)
			if dry.asked {
				return dry.parts("pack", parts, func(p dataPart) string {
					return filepath.Join(out, string(p.split)+".pack")
				})
			}
			if err := os.MkdirAll(out, 0o755); err != nil {
				return fmt.Errorf("--out: %w", err)
			}
			results := map[data.Split]sets.PackResult{}
			for _, p := range parts {
				path := filepath.Join(out, string(p.split)+".pack")
				show.Line("packing %d %s images into %s", p.Len(), p.name, path)
				show.Begin(p.name, 0, p.Len())
				o.Progress = func(done, _ int) { show.Step(done, p.name) }
				r, err := sets.Pack(cmd.Context(), path, p.Dataset, o)
				show.End()
				if err != nil {
					return err
				}
				results[p.split] = r
				show.Line("%s: %s", p.name, describePack(r, o))
			}
			return printJSON(results)
		},
	}
	f.register(c)
	dry.register(c)
	c.Flags().StringVar(&out, "out", "", "`folder` for train.pack and val.pack")
	c.Flags().StringVar(&form, "form", string(sets.PackJPEG), "jpeg or decoded")
	c.Flags().IntVar(&o.ShortSide, "short-side", 256, "shrink images whose short side is longer; 0 for off")
	c.Flags().IntVar(&o.Quality, "quality", 95, "quality of shrunk JPEG files, 1 to 100")
	c.Flags().BoolVar(&o.Lossy, "lossy", false, "write every shrunk image as JPEG, even from a lossless file")
	c.Flags().StringVar(&onBad, "on-bad-image", "error", "error, or skip: leave out unreadable images")
	return c
}

// describePack says how the images of a part were stored.
func describePack(r sets.PackResult, o sets.PackOptions) string {
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{
		{r.Kept, "kept as they are"},
		{r.Lossless, "written as PNG, without loss"},
		{r.Lossy, fmt.Sprintf("shrunk as JPEG of quality %d, which is lossy", o.Quality)},
		{r.Pixels, "stored as pixels"},
		{r.Skipped, "left out, because they cannot be read"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	return fmt.Sprintf("of %d images %s; %.1f MB", r.Samples+r.Skipped, strings.Join(parts, ", "), float64(r.Bytes)/1e6)
}
