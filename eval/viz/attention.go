package viz

import (
	"context"
	"fmt"

	"fasternet/data"
	"fasternet/graph"
	"fasternet/graph/vit"
	"fasternet/layers"
)

// mostHeads is how many heads are drawn one by one.
const mostHeads = 16

// Attentions draws where the last block of a ViT looks in images of a data set:
// the mean over its heads and every head.
func Attentions(ctx context.Context, r *graph.Runner, net *vit.Model, ds data.Dataset, o Options) (*Sheet, error) {
	c := net.Arch()
	size, patch := o.Transform.Size, c.PatchSize
	if size%patch != 0 {
		return nil, fmt.Errorf("viz: an image of %d pixels is not divided by patches of %d: want --size a multiple", size, patch)
	}
	grid := Grid{Rows: size / patch, Cols: size / patch}
	zoom := max(1, (192+size-1)/size)
	colours := Colours{o.Transform.Mean, o.Transform.Std}
	reader := "the class token"
	if c.GlobalPool {
		reader = "the patches on average"
	}
	sheet := &Sheet{Title: o.Title, Notes: []string{
		fmt.Sprintf("Attention in the last of %d blocks: the probability by which a patch is read by %s, in each of %d heads and in their mean.", c.Depth, reader, c.NumHeads[0]),
		"Black is none, white the largest of the picture, which its caption tells.",
	}}
	err := each(ctx, ds, o, nil, func(b *data.Batch, names []string) error {
		program, err := r.Features(graph.Shape{Batch: b.Size, Height: b.Height, Width: b.Width})
		if err != nil {
			return err
		}
		if _, err := program.Forward(b.Images); err != nil {
			return err
		}
		tokens, _, err := program.Feature(layers.Tokens)
		if err != nil {
			return err
		}
		maps, err := net.AttentionMaps(r.Pool().Kernels(), tokens, b.Size)
		if err != nil {
			return err
		}
		pixels, each := len(b.Images)/b.Size, len(maps)/b.Size
		for i, name := range names {
			image, heads := b.Images[i*pixels:][:pixels], maps[i*each:][:each]
			n := grid.Size()
			mean := make([]float32, n)
			for j, v := range heads {
				mean[j%n] += v * float32(n) / float32(each)
			}
			first := Group{Panels: []Panel{
				{Title: "image", Image: colours.Picture(image, size, size, zoom)},
				heat("mean of the heads", mean, grid, patch*zoom),
			}}
			all := Group{Title: "heads"}
			for h := range min(each/n, mostHeads) {
				all.Panels = append(all.Panels, heat(fmt.Sprintf("head %d", h+1), heads[h*n:][:n], grid, patch*zoom))
			}
			sheet.Entries = append(sheet.Entries, Entry{Name: name, Groups: []Group{first, all}})
		}
		return nil
	})
	return sheet, err
}

func heat(title string, values []float32, grid Grid, side int) Panel {
	most := largest(values)
	return Panel{Title: title, Caption: fmt.Sprintf("white is %.3g", most), Image: HeatPicture(values, most, nil, grid, side)}
}
