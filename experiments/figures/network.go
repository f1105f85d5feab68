package main

import (
	"fmt"

	"fasternet/configs"
	"fasternet/graph/fasternet"
)

// network draws FasterNet-T0, with the sizes of the preset, and one of its blocks.
func network() (string, error) {
	c, err := configs.Load("fasternet_t0")
	if err != nil {
		return "", err
	}
	a, ok := c.Model.Arch.(fasternet.Config)
	if !ok {
		return "", fmt.Errorf("the preset fasternet_t0 is a %T", c.Model.Arch)
	}
	d := &drawing{width: 980, height: 430}
	const y = 80
	x, gap := 60.0, 12.0
	place := func(w float64, fill string, lines ...string) {
		d.box(x+w/2, y, w, 70, fill, lines...)
		x += w + gap
		d.arrow(x-gap, y, x, y)
	}
	side := c.Data.ImageSize
	place(80, grey, "image", fmt.Sprintf("%d×%d×%d", side, side, c.Model.InChans))
	side /= a.PatchStride
	place(104, yellow, "embedding", fmt.Sprintf("conv %d×%d", a.PatchSize, a.PatchSize), "batch norm")
	dim := a.EmbedDim
	for i, depth := range a.Depths {
		if i > 0 {
			side /= a.PatchStride2
			dim *= 2
			place(72, yellow, "merging", fmt.Sprintf("conv %d×%d", a.PatchSize2, a.PatchSize2))
		}
		blocks := "blocks"
		if depth == 1 {
			blocks = "block"
		}
		place(86, blue,
			fmt.Sprintf("%d %s", depth, blocks),
			fmt.Sprintf("%d channels", dim),
			fmt.Sprintf("%d×%d", side, side))
	}
	d.box(x+44, y, 88, 70, green, "head", "mean, linear", fmt.Sprintf("%d classes", c.Model.NumClasses))
	d.width = x + 110
	title := "FasterNet-T0: the sides of the maps halve from stage to stage, and the channels double; " +
		"the head has %d features"
	d.text(60, 28, "start", ink, fmt.Sprintf(title, a.FeatureDim))

	// One block.
	n := a.EmbedDim
	part := n / a.NDiv
	hidden := int(float64(n) * a.MLPRatio)
	title = "A block of the first stage: only 1/%d of the channels are convolved"
	d.text(60, 190, "start", ink, fmt.Sprintf(title, a.NDiv))
	const by = 290
	d.box(110, by, 100, 60, grey, "input", fmt.Sprintf("%d channels", n))
	d.box(280, by-45, 130, 60, yellow, "PConv", fmt.Sprintf("conv 3×3, %d → %d", part, part))
	d.box(280, by+45, 130, 44, grey, "unchanged", fmt.Sprintf("%d channels", n-part))
	d.arrow(160, by, 185, by, 185, by-45, 215, by-45)
	d.arrow(160, by, 185, by, 185, by+45, 215, by+45)
	d.box(470, by, 140, 70, blue,
		"1×1 conv",
		fmt.Sprintf("%d → %d", n, hidden),
		fmt.Sprintf("batch norm, %s", a.ActLayer))
	d.arrow(345, by-45, 372, by-45, 372, by-8, 400, by-8)
	d.arrow(345, by+45, 372, by+45, 372, by+8, 400, by+8)
	d.box(640, by, 120, 70, blue, "1×1 conv", fmt.Sprintf("%d → %d", hidden, n))
	d.arrow(540, by, 580, by)
	d.box(770, by, 40, 40, green, "+")
	d.arrow(700, by, 750, by)
	d.arrow(110, by+30, 110, by+100, 770, by+100, 770, by+20)
	d.text(440, by+94, "middle", faint, "residual (with drop path in training)")
	d.arrow(790, by, 850, by)
	d.text(856, by+4, "start", ink, "output")
	return d.svg("FasterNet-T0 and one of its blocks"), nil
}
