package masking

import (
	"fmt"
	"math"
	"slices"

	"fasternet/data"
	"fasternet/internal/rng"
)

// Grid is the size of a map of tokens or cells.
type Grid struct{ Rows, Cols int }

// Size is the number of places.
func (g Grid) Size() int { return g.Rows * g.Cols }

func (g Grid) String() string { return fmt.Sprintf("%d×%d", g.Rows, g.Cols) }

// Columnar is the masking for encoders of one resolution (ViT): of every image a
// set of patches of its own is removed, and a decoder reconstructs cells that are
// a scale times as many along a side as the patches.
type Columnar struct {
	grid   Grid
	kept   int
	scales []float64
	grids  []Grid // of the cells
	cells  []int  // their sides in pixels
}

// NewColumnar prepares for images of height × width pixels in square patches. Of
// L patches int(L·(1-ratio)) are kept. Decoder k reconstructs at scales[k]: a whole
// number (as many cells along the side of a patch) or one over it (as many patches
// along the side of a cell).
func NewColumnar(height, width, patch int, ratio float64, scales []float64) (*Columnar, error) {
	grid, err := patchGrid(height, width, patch)
	if err != nil {
		return nil, err
	}
	if len(scales) == 0 {
		return nil, fmt.Errorf("masking: no scales; at least one is needed")
	}
	c := &Columnar{grid: grid, scales: slices.Clone(scales)}
	for _, s := range scales {
		repeat, mean, err := scaleFactors(s)
		if err != nil {
			return nil, err
		}
		if patch%repeat != 0 {
			return nil, fmt.Errorf("masking: scale %v makes cells of %d/%v = %.4g pixels of a patch of %d, which must be whole pixels; "+
				"take a scale that divides the patch", s, patch, s, float64(patch)/s, patch)
		}
		g, err := scaledGrid(grid, repeat, mean)
		if err != nil {
			return nil, fmt.Errorf("masking: scale %v: %w", s, err)
		}
		c.grids, c.cells = append(c.grids, g), append(c.cells, patch/repeat*mean)
	}
	c.kept = int(float64(grid.Size()) * (1 - ratio))
	if !(ratio > 0) || c.kept < 1 || c.kept >= grid.Size() {
		return nil, fmt.Errorf("masking: mask ratio %v keeps int(%d·(1-%v)) = %d of the %d patches (%v); it must leave some and remove some",
			ratio, grid.Size(), ratio, c.kept, grid.Size(), grid)
	}
	return c, nil
}

func patchGrid(height, width, patch int) (Grid, error) {
	if patch < 1 || height < patch || width < patch || height%patch != 0 || width%patch != 0 {
		return Grid{}, fmt.Errorf("masking: patches of %d pixels do not divide an image of %d×%d pixels", patch, height, width)
	}
	return Grid{height / patch, width / patch}, nil
}

// scaleFactors says how many times a place is repeated along a side, or how many
// places one is the mean of.
func scaleFactors(scale float64) (repeat, mean int, err error) {
	if up := math.Round(scale); up >= 1 && up == scale {
		return int(up), 1, nil
	}
	if down := math.Round(1 / scale); scale > 0 && down >= 1 && math.Abs(down*scale-1) < 1e-9 {
		return 1, int(down), nil
	}
	return 0, 0, fmt.Errorf("masking: scale %v; a whole number or one over a whole number is needed, such as 4, 2, 1 or 0.5", scale)
}

func scaledGrid(g Grid, repeat, mean int) (Grid, error) {
	if g.Rows%mean != 0 || g.Cols%mean != 0 {
		return Grid{}, fmt.Errorf("blocks of %d×%d do not divide a grid of %v", mean, mean, g)
	}
	return Grid{g.Rows / mean * repeat, g.Cols / mean * repeat}, nil
}

// scaleMask writes the mask of a grid at a scale: every value repeated, or the
// mean of several, which is then a fraction. dst has the size of the scaled grid.
func scaleMask(dst, mask []float32, grid Grid, scale float64) error {
	repeat, mean, err := scaleFactors(scale)
	if err != nil {
		return err
	}
	g, err := scaledGrid(grid, repeat, mean)
	if err != nil {
		return fmt.Errorf("masking: scale %v: %w", scale, err)
	}
	if len(mask) != grid.Size() || len(dst) != g.Size() {
		return fmt.Errorf("masking: a mask of %d values for a grid of %v, and room for %d; scale %v makes it %v", len(mask), grid, len(dst), scale, g)
	}
	for y := range g.Rows {
		for x := range g.Cols {
			var sum float32
			for i := range mean {
				for j := range mean {
					sum += mask[(y/repeat*mean+i)*grid.Cols+x/repeat*mean+j]
				}
			}
			dst[y*g.Cols+x] = sum / float32(mean*mean)
		}
	}
	return nil
}

// MaskGrid is the grid of the patches.
func (c *Columnar) MaskGrid() Grid { return c.grid }

// Kept is the number of patches of an image that the encoder sees.
func (c *Columnar) Kept() int { return c.kept }

// Scales is the number of decoders.
func (c *Columnar) Scales() int { return len(c.scales) }

// ScaleGrid is the grid of cells that decoder k reconstructs.
func (c *Columnar) ScaleGrid(k int) Grid { return c.grids[k] }

// Cells are the sides in pixels of the cells of each scale.
func (c *Columnar) Cells() []int { return slices.Clone(c.cells) }

// arrange makes the mask of an image of one random number for every patch: the
// patches of the smallest numbers are kept. keep [Kept] are their indices, by
// ascending numbers; mask [patches] is 1 where a patch is removed.
func (c *Columnar) arrange(keep []int32, mask, noise []float32) {
	order := make([]int32, c.grid.Size())
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		switch x, y := noise[a], noise[b]; {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return int(a - b)
	})
	copy(keep, order[:c.kept])
	for rank, i := range order {
		mask[i] = 0
		if rank >= c.kept {
			mask[i] = 1
		}
	}
}

func (c *Columnar) allocate(b *Batch, size int) {
	n := c.grid.Size()
	b.keep, b.mask = make([]int32, size*c.kept), make([]float32, size*n)
}

func (c *Columnar) sample(b *Batch, at data.Position) error {
	n := c.grid.Size()
	noise := make([]float32, n)
	r := rng.New(at.Seed, rng.Mask, uint64(at.Epoch), uint64(at.Index))
	for i := range noise {
		noise[i] = r.Float32()
	}
	mask := b.mask[at.Place*n:][:n]
	c.arrange(b.keep[at.Place*c.kept:][:c.kept], mask, noise)
	for k, s := range c.scales {
		size := c.grids[k].Size()
		if err := scaleMask(b.weights[k][at.Place*size:][:size], mask, c.grid, s); err != nil {
			return err
		}
	}
	return nil
}

func (c *Columnar) complete(*Batch, data.Position) error { return nil }
