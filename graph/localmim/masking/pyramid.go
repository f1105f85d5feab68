package masking

import (
	"fmt"
	"slices"
)

// PyramidOptions says how a [Pyramid] masks.
type PyramidOptions struct {
	Height, Width int     // of the image in pixels
	Patch         int     // side in pixels
	Stages        int     // of the encoder; each but the last ends with a merging of 2×2 tokens
	Unit          int     // side in patches of what is masked as a whole; 0 means 2^(Stages-1)
	Ratio         float64 // int(Ratio·U)+1 of U units are masked
	Taps          []int   // stages whose ends feed the decoders; nil means all
	PerSample     bool    // every image has a mask of its own, instead of one for the batch
}

// Pyramid is the masking for encoders whose stages halve the resolution (Swin).
// Units of the image are removed as a whole; one is so large that no token of any
// stage belongs to two. The tokens of a stage are in unit-major order: the units
// in raster order, inside a unit its r×r tokens in raster order. So the
// 2×2 tokens that are merged are always all there or all gone.
//
// A decoder reconstructs a cell for each token of the grid at the end of a stage.
type Pyramid struct {
	PyramidOptions
	units   Grid
	masked  int
	rasters map[int][]int32 // rasterOf, by the tokens along a unit in a stage: Unit or a half, a quarter … of it
}

// NewPyramid checks that the options fit together.
func NewPyramid(opt PyramidOptions) (*Pyramid, error) {
	grid, err := patchGrid(opt.Height, opt.Width, opt.Patch)
	if err != nil {
		return nil, err
	}
	if opt.Stages < 1 || opt.Stages > 16 {
		return nil, fmt.Errorf("masking: %d stages; 1 to 16 are possible", opt.Stages)
	}
	least := 1 << (opt.Stages - 1)
	if opt.Unit == 0 {
		opt.Unit = least
	}
	if opt.Unit < 1 || opt.Unit%least != 0 {
		return nil, fmt.Errorf("masking: a mask unit of %d×%d patches; %d stages merge 2×2 tokens %d times, "+
			"so its side must be a multiple of 2^%d = %d", opt.Unit, opt.Unit, opt.Stages, opt.Stages-1, opt.Stages-1, least)
	}
	if grid.Rows%opt.Unit != 0 || grid.Cols%opt.Unit != 0 {
		return nil, fmt.Errorf("masking: mask units of %d×%d patches of %d pixels do not divide an image of %d×%d pixels (%v patches); "+
			"its sides must be multiples of %d", opt.Unit, opt.Unit, opt.Patch, opt.Height, opt.Width, grid, opt.Unit*opt.Patch)
	}
	if opt.Taps == nil {
		for s := range opt.Stages {
			opt.Taps = append(opt.Taps, s)
		}
	}
	opt.Taps = slices.Clone(opt.Taps)
	for i, s := range opt.Taps {
		if s < 0 || s >= opt.Stages || slices.Contains(opt.Taps[:i], s) {
			return nil, fmt.Errorf("masking: stages %v feed the decoders; each must be one of 0 to %d, and once", opt.Taps, opt.Stages-1)
		}
	}
	if len(opt.Taps) == 0 {
		return nil, fmt.Errorf("masking: no stage feeds a decoder; at least one is needed")
	}
	p := &Pyramid{PyramidOptions: opt, units: Grid{grid.Rows / opt.Unit, grid.Cols / opt.Unit}}
	n := p.units.Size()
	p.masked = int(opt.Ratio*float64(n)) + 1
	if !(opt.Ratio >= 0) || p.masked < 1 || p.masked >= n {
		return nil, fmt.Errorf("masking: mask ratio %v masks int(%v·%d)+1 = %d of the %d units (%v); it must leave some visible",
			opt.Ratio, opt.Ratio, n, p.masked, n, p.units)
	}
	p.rasters = map[int][]int32{}
	for s := range p.Stages {
		p.rasters[p.side(s)] = p.rasterOf(p.side(s))
	}
	return p, nil
}

// MaskGrid is the grid of the units.
func (p *Pyramid) MaskGrid() Grid { return p.units }

// Visible is the number of units that are not masked.
func (p *Pyramid) Visible() int { return p.units.Size() - p.masked }

// side is the number of tokens along a unit in a stage.
func (p *Pyramid) side(stage int) int { return p.Unit >> stage }

// outSide is that at the end of a stage, behind the merging.
func (p *Pyramid) outSide(stage int) int { return p.side(min(stage+1, p.Stages-1)) }

func (p *Pyramid) grid(side int) Grid { return Grid{p.units.Rows * side, p.units.Cols * side} }

// Kept is the number of patches of an image that the encoder sees.
func (p *Pyramid) Kept() int { return p.Visible() * p.Unit * p.Unit }

// Scales is the number of decoders.
func (p *Pyramid) Scales() int { return len(p.Taps) }

// ScaleGrid is the grid of cells that decoder k reconstructs.
func (p *Pyramid) ScaleGrid(k int) Grid { return p.grid(p.outSide(p.Taps[k])) }

// Cells are the sides in pixels of the cells of each scale.
func (p *Pyramid) Cells() []int {
	out := make([]int, len(p.Taps))
	for k, s := range p.Taps {
		out[k] = p.Patch * p.Unit / p.outSide(s)
	}
	return out
}

// Mask makes the mask of the units, 1 where one is removed, of a permutation of
// their numbers: unit u is masked if perm[u] ≤ int(Ratio·U). That is one unit more
// than the ratio says, as published.
func (p *Pyramid) Mask(mask []float32, perm []int) {
	for u, v := range perm {
		mask[u] = 0
		if v < p.masked {
			mask[u] = 1
		}
	}
}

// rasterOf is the place in raster order of every token of a map in unit-major order, with
// side tokens along a unit.
func (p *Pyramid) rasterOf(side int) []int32 {
	g := p.grid(side)
	out := make([]int32, 0, g.Size())
	for u := range p.units.Size() {
		for i := range side * side {
			y, x := u/p.units.Cols*side+i/side, u%p.units.Cols*side+i%side
			out = append(out, int32(y*g.Cols+x))
		}
	}
	return out
}

// visibleTokens is 1 for every token, in unit-major order, whose unit is there.
func (p *Pyramid) visibleTokens(mask []float32, side int) []float32 {
	out := make([]float32, 0, len(mask)*side*side)
	for _, m := range mask {
		for range side * side {
			out = append(out, 1-m)
		}
	}
	return out
}
