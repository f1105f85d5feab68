package viz

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/graph/localmim"
	"fasternet/graph/localmim/masking"
)

// Options say what to draw.
type Options struct {
	Title     string
	Transform *data.EvalTransform // for the images; it also says how to undo its normalisation
	Most      int                 // draw at most this many images, from the first on; 0 for all
	Seed      uint64              // for the masks
	Workers   int                 // goroutines that read images; 0 for one per processor

	ReplaceBad bool // draw another image instead of one that cannot be read
	// The rest is for [Explain].
	SkipBad  bool // leave out images that cannot be read
	Headless bool // the model has no classifier, only attention
	// Block is the block of a ViT whose attention is drawn, counted from 1; 0 for the last.
	Block      int
	MultiLabel bool // the probability of the answer is its logistic function, not a softmax

	Progress func(done, total int) // counts images; may be nil
}

// together is how many images are run at a time. They have the same mask if the mask is one
// for the batch.
const together = 8

// Reconstructions runs a model on images of a data set. For each it draws the image and the part
// that the encoder sees, and at every scale the mask, the target, the prediction and the error. The
// same arguments give the same pictures.
func Reconstructions(ctx context.Context, r *localmim.Runner, ds data.Dataset, o Options) (*Sheet, error) {
	task, err := masking.ForTraining(r.Model)
	if err != nil {
		return nil, fmt.Errorf("viz: %w", err)
	}
	d := &reconstruction{
		net: r.Model, config: r.Model.Config(), scales: r.Model.Scales(), target: task.Target(),
		colours: Colours{o.Transform.Mean, o.Transform.Std},
		sheet:   &Sheet{Title: o.Title},
	}
	d.zoom = d.zoomFor()
	d.sheet.Notes = d.notes(o)
	err = each(ctx, ds, o, task, func(b *data.Batch, names []string) error {
		program, err := r.Program(b.Size, false)
		if err != nil {
			return err
		}
		if _, err := program.Run(masking.Masked(b)); err != nil {
			return err
		}
		return d.batch(b, program, names)
	})
	if err != nil {
		return nil, err
	}
	d.addErrors()
	return d.sheet, nil
}

// each visits the images in batches, with their names.
func each(
	ctx context.Context, ds data.Dataset, o Options, extra data.Extra,
	visit func(b *data.Batch, names []string) error,
) error {
	return batches(ctx, ds, o, extra, func(b *data.Batch) error {
		var names []string
		for _, i := range b.Indices {
			name := ds.Name(i)
			if class := data.LabelNames(ds, i); class != "" {
				name = fmt.Sprintf("%s (%s)", name, class)
			}
			names = append(names, name)
		}
		for _, r := range b.Replaced {
			names[r.At] = "another image instead of " + ds.Name(r.Index)
		}
		return visit(b, names)
	})
}

// batches visits the images in batches.
func batches(ctx context.Context, ds data.Dataset, o Options, extra data.Extra, visit func(b *data.Batch) error) error {
	if o.Most > 0 && o.Most < ds.Len() {
		ds = firstOf{ds, o.Most}
	}
	if ds.Len() == 0 {
		return errors.New("viz: there are no images to draw")
	}
	loader, err := data.NewLoader(ds, data.LoaderOptions{
		Batch: min(together, ds.Len()), Workers: o.Workers, Seed: o.Seed, Transform: o.Transform, Extra: extra,
		ReplaceBad: o.ReplaceBad, SkipBad: o.SkipBad,
	})
	if err != nil {
		return err
	}
	it := loader.Epoch(ctx, 0, 0)
	defer it.Close()
	for {
		b, err := it.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := visit(b); err != nil {
			return err
		}
	}
}

// firstOf is a data set with the first images of another.
type firstOf struct {
	data.Dataset
	n int
}

func (f firstOf) Len() int { return f.n }

// reconstruction draws the sheet of a model.
type reconstruction struct {
	net     *localmim.Model
	config  *configs.Config
	scales  []configs.MIMScale
	target  masking.Target
	colours Colours
	zoom    int
	sheet   *Sheet
	errors  [][][]float32 // by image and scale: [cells]
	weights [][][]float32
}

// zoomFor returns the side of the square that is drawn for a pixel: large enough to see
// small images and to recognise a glyph.
func (d *reconstruction) zoomFor() int {
	const side, glyph = 192, 8
	size := d.config.Data.ImageSize
	zoom := max(1, (side+size-1)/size)
	if d.config.MIM.Target == "hog" {
		for _, s := range d.scales {
			zoom = max(zoom, (glyph+s.Cell-1)/s.Cell)
		}
	}
	return zoom
}

func (d *reconstruction) notes(o Options) []string {
	c := d.config
	side, visible := d.net.Units()
	notes := []string{
		fmt.Sprintf("%d of the %d×%d units of %d pixels are visible (seed of the masks: %d). "+
			"The parts that the encoder does not see have the mean colour. "+
			"In a mask, white is visible and black is masked; "+
			"a cell that is masked in part is grey, and that part of its error counts.",
			visible, side, side, c.MIM.MaskUnit, o.Seed),
	}
	if c.MIM.Target == "hog" {
		notes = append(notes, fmt.Sprintf(
			"Histograms of oriented gradients: each cell has a line for each of %d orientations in 180°. "+
				"A line follows the edge, at a right angle to the gradient. "+
				"Its length is the mean over the colour channels; "+
				"the longest line of the target reaches from side to side, and the prediction has the same scale.",
			c.MIM.NBins))
	} else {
		text := "The model predicts pixels."
		if c.MIM.NormPixLoss {
			text = "The model predicts pixels that are normalised in each cell. " +
				"They are shown with the TRUE mean and deviation of the cell, which the model does not know: " +
				"it looks better than the model could do alone."
		}
		text += " In “with the visible”, the parts that are not masked come from the image itself."
		notes = append(notes, text)
	}
	return append(notes, "Error: mean squared difference of a cell. "+
		"Black is none, white is the largest at this scale in these images, and visible cells are grey.")
}

// batch draws the images of a batch, except for their errors, whose colours depend on all
// images.
func (d *reconstruction) batch(b *data.Batch, p *localmim.Program, names []string) error {
	e := b.Extra.(*masking.Batch)
	predictions := make([][]float32, len(d.scales))
	for k := range d.scales {
		var err error
		if predictions[k], err = p.Predictions(k); err != nil {
			return err
		}
	}
	size := b.Height * b.Width * b.Channels
	grid := d.units()
	for i, name := range names {
		pixels := b.Images[i*size:][:size]
		hidden := make([]float32, size)
		mask := e.Mask[i*grid.Size():][:grid.Size()]
		seen := Blend(pixels, hidden, mask, grid, b.Height, b.Width, b.Channels)
		entry := Entry{Name: name, Groups: []Group{{Panels: []Panel{
			{Title: "image", Image: d.picture(pixels)},
			{Title: "visible to the encoder", Image: d.picture(seen)},
		}}}}
		var losses, weights [][]float32
		for k, s := range d.scales {
			part := func(values []float32) []float32 {
				n := len(values) / b.Size
				return append([]float32(nil), values[i*n:][:n]...)
			}
			target, prediction, mask := part(e.Targets[k]), part(predictions[k]), part(e.Weights[k])
			losses, weights = append(losses, part(p.CellLosses(k))), append(weights, mask)
			g := Group{Title: d.scaleTitle(k)}
			g.Panels = append(g.Panels, Panel{Title: "mask", Image: MaskPicture(mask, d.grid(k), s.Cell*d.zoom)})
			more, err := d.values(k, pixels, target, prediction, mask)
			if err != nil {
				return err
			}
			g.Panels = append(g.Panels, more...)
			entry.Groups = append(entry.Groups, g)
		}
		d.errors, d.weights = append(d.errors, losses), append(d.weights, weights)
		d.sheet.Entries = append(d.sheet.Entries, entry)
	}
	return nil
}

func (d *reconstruction) grid(k int) Grid { return Grid{d.scales[k].Grid, d.scales[k].Grid} }

// units returns the grid of the units that are masked as a whole.
func (d *reconstruction) units() Grid {
	side, _ := d.net.Units()
	return Grid{side, side}
}

func (d *reconstruction) scaleTitle(k int) string {
	s := d.scales[k]
	return fmt.Sprintf("after %s %d: %v cells of %d×%d pixels", d.net.Encoder().Tap, s.Tap, d.grid(k), s.Cell, s.Cell)
}

func (d *reconstruction) picture(values []float32) image.Image {
	size := d.config.Data.ImageSize
	return d.colours.Picture(values, size, size, d.zoom)
}

// values draws the panels of a target and a prediction.
func (d *reconstruction) values(k int, pixels, target, prediction, mask []float32) ([]Panel, error) {
	c, s := d.config, d.scales[k]
	switch made := d.target.(type) {
	case *masking.HOG:
		most := largestMean(target, c.Model.InChans, c.MIM.NBins)
		glyphs := func(values []float32) image.Image {
			return Glyphs(values, d.grid(k), c.Model.InChans, c.MIM.NBins, s.Cell*d.zoom, most)
		}
		return []Panel{
			{Title: "target (HOG)", Image: glyphs(target)},
			{Title: "prediction", Image: glyphs(prediction)},
		}, nil
	case *masking.Pixels:
		restored := make([]float32, len(pixels))
		if err := made.Restore(restored, prediction, k, pixels); err != nil {
			return nil, err
		}
		size := c.Data.ImageSize
		pasted := Blend(pixels, restored, mask, d.grid(k), size, size, c.Model.InChans)
		caption := ""
		if c.MIM.NormPixLoss {
			caption = "true mean, deviation"
		}
		return []Panel{
			{Title: "prediction", Caption: caption, Image: d.picture(restored)},
			{Title: "with the visible", Caption: caption, Image: d.picture(pasted)},
		}, nil
	default:
		return nil, fmt.Errorf("viz: a target %T cannot be drawn", made)
	}
}

// addErrors draws the errors of all images. All errors of a scale have the same
// colours.
func (d *reconstruction) addErrors() {
	for k, s := range d.scales {
		most := 0.0
		for i := range d.errors {
			for j, v := range d.errors[i][k] {
				if d.weights[i][k][j] > 0 {
					most = max(most, largest([]float32{v}))
				}
			}
		}
		for i := range d.errors {
			g := &d.sheet.Entries[i].Groups[1+k]
			mean := localmim.MaskedMean(d.errors[i][k], d.weights[i][k])
			g.Panels = append(g.Panels, Panel{
				Title:   "error",
				Caption: fmt.Sprintf("mean %.3g, white %.3g", mean, most),
				Image:   HeatPicture(d.errors[i][k], most, d.weights[i][k], d.grid(k), s.Cell*d.zoom),
			})
		}
	}
}
