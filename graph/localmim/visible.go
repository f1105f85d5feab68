package localmim

import (
	"fmt"

	"fasternet/configs"
	"fasternet/graph/swin"
	"fasternet/ops"
)

// visible is what a program knows of the visible tokens: their numbers, which
// are the same in every run, and lists that are written anew before each.
type visible struct {
	images, units int // units that are visible in an image
	side, unit    int // units along a side of an image, tokens along a side of a unit at the entrance
	class         int // class tokens
	official      bool

	entrance []int32   // tokens of the encoder
	decoders [][]int32 // tokens of each decoder
	taps     []int     // tokens along a side of a unit at each tap
	stages   []*stageWindows
}

// stageWindows are the windows of a stage.
type stageWindows struct {
	grid, unit int
	rows, cols []int32 // places of all visible tokens
	windows    [2]*ops.Windows
	shift      int
}

func newVisible(c *configs.Config, images, class int) *visible {
	v := &visible{images: images, class: class, official: c.MIM.Coordinates == "official"}
	v.side, v.units = c.MIMUnits()
	v.unit = c.MIM.MaskUnit / c.Model.PatchSize
	v.entrance = make([]int32, images*(class+v.tokens(0)))
	for _, s := range c.MIMScales() {
		v.taps = append(v.taps, s.UnitTokens)
		v.decoders = append(v.decoders, make([]int32, images*(class+s.Tokens*s.Tokens)))
	}
	return v
}

// tokens is the number of visible tokens of an image after some mergings.
func (v *visible) tokens(merges int) int {
	r := v.unit >> merges
	return v.units * r * r
}

// windowsOf makes the windows of a stage of Swin; set fills them.
func (v *visible) windowsOf(stage int, s swin.Stage, height, width int) [2]*ops.Windows {
	n := v.tokens(stage)
	w := &stageWindows{
		grid: height, unit: v.unit >> stage, shift: s.Shift(height, width),
		rows: make([]int32, v.images*n), cols: make([]int32, v.images*n),
	}
	w.windows[0] = ops.VisibleWindows(v.images, n, [2]int{height, width}, s.Side)
	w.windows[1] = w.windows[0]
	if w.shift > 0 {
		w.windows[1] = ops.VisibleWindows(v.images, n, [2]int{height, width}, s.Side)
	}
	v.stages = append(v.stages, w)
	return w.windows
}

// set writes the lists for the units that are visible: kept are their numbers in
// the order of the encoder, [units] for all images or [images, units].
func (v *visible) set(kept []int32) error {
	same := len(kept) == v.units
	if !same && len(kept) != v.images*v.units {
		return fmt.Errorf("localmim: %d visible units: want %d for all images, or for each of %d", len(kept), v.units, v.images)
	}
	for image := range v.images {
		units := kept[:v.units]
		if !same {
			units = kept[image*v.units:][:v.units]
		}
		if err := v.check(units); err != nil {
			return err
		}
		v.setImage(image, units)
	}
	for _, s := range v.stages {
		rows, cols := s.rows, s.cols
		if n := len(rows) / v.images; same {
			rows, cols = rows[:n], cols[:n]
		}
		if err := s.windows[0].Regroup(rows, cols, 0); err != nil {
			return err
		}
		if s.shift > 0 {
			if err := s.windows[1].Regroup(rows, cols, s.shift); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *visible) check(units []int32) error {
	for i, u := range units {
		if u < 0 || int(u) >= v.side*v.side {
			return fmt.Errorf("localmim: visible unit %d of %d×%d", u, v.side, v.side)
		}
		for _, w := range units[:i] {
			if u == w {
				return fmt.Errorf("localmim: unit %d is visible twice", u)
			}
		}
	}
	return nil
}

// eachToken calls f for the visible tokens of an image in their order: with
// their number and their place, where a unit has r×r tokens.
func (v *visible) eachToken(units []int32, r int, f func(n, y, x int)) {
	for i, u := range units {
		uy, ux := int(u)/v.side, int(u)%v.side
		for a := range r {
			for b := range r {
				f((i*r+a)*r+b, uy*r+a, ux*r+b)
			}
		}
	}
}

func (v *visible) setImage(image int, units []int32) {
	grid := v.side * v.unit
	entrance := v.entrance[image*(v.class+v.tokens(0)):]
	for i := range v.class {
		entrance[i] = -1
	}
	v.eachToken(units, v.unit, func(n, y, x int) { entrance[v.class+n] = int32(y*grid + x) })
	for k, all := range v.decoders {
		r := v.taps[k]
		n, side := len(all)/v.images, v.side*r
		list := all[image*n:][:n]
		for i := range list {
			list[i] = -1
			if i < v.class {
				list[i] = int32(i)
			}
		}
		v.eachToken(units, r, func(n, y, x int) { list[v.class+y*side+x] = int32(v.class + n) })
	}
	for i, s := range v.stages {
		n := len(s.rows) / v.images
		rows, cols := s.rows[image*n:][:n], s.cols[image*n:][:n]
		if v.official && i > 0 {
			v.officialPlaces(units, s, rows, cols)
			continue
		}
		v.eachToken(units, s.unit, func(n, y, x int) { rows[n], cols[n] = int32(y), int32(x) })
	}
}

// officialPlaces are those of the published code behind a merging: the number of
// a token in the order of the units is read as one in raster order.
func (v *visible) officialPlaces(units []int32, s *stageWindows, rows, cols []int32) {
	r := s.unit * s.unit
	for i, u := range units {
		for j := range r {
			t := int(u)*r + j
			rows[i*r+j], cols[i*r+j] = int32(t/s.grid), int32(t%s.grid)
		}
	}
}
