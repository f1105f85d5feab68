package localmim

import (
	"fmt"

	"fasternet/ops"
)

// Visible describes the visible units of the images of a program: how many they are, which is the
// same in every run, and which ones, which changes from run to run. Lists that depend on the latter
// are written again before each run.
type Visible struct {
	Images int // in a batch
	Units  int // visible units of an image
	Side   int // units along a side of an image
	Class  int // class tokens before the tokens of an image

	kept   []int32 // units, [Images, Units], or [Units] for all
	change []func() error
}

// Tokens returns the number of visible tokens of an image if a unit has side×side tokens, without
// class tokens.
func (v *Visible) Tokens(side int) int { return v.Units * side * side }

// Kept returns the visible units of an image in the current run, in the order of the encoder.
func (v *Visible) Kept(image int) []int32 {
	if v.Same() {
		return v.kept
	}
	return v.kept[image*v.Units:][:v.Units]
}

// Same says whether the same units are visible in all images of the current run.
func (v *Visible) Same() bool { return len(v.kept) == v.Units }

// OnChange makes every run call f first, when the visible units are known.
func (v *Visible) OnChange(f func() error) { v.change = append(v.change, f) }

// EachToken calls f for the visible tokens of an image in their order, unit by unit. A unit has side×side
// tokens. f gets the number of the token, and its row and column on the map of the whole image.
func (v *Visible) EachToken(image, side int, f func(n, row, col int)) {
	for i, u := range v.Kept(image) {
		uy, ux := int(u)/v.Side, int(u)%v.Side
		for a := range side {
			for b := range side {
				f((i*side+a)*side+b, uy*side+a, ux*side+b)
			}
		}
	}
}

// Select returns the list that takes the visible tokens from a map of whole images if a unit has
// side×side tokens: for every token of an image, class tokens first, its place on the map in raster
// order, or -1 for a class token.
func (v *Visible) Select(side int) []int32 {
	n, width := v.Class+v.Tokens(side), v.Side*side
	list := make([]int32, v.Images*n)
	v.OnChange(func() error {
		for image := range v.Images {
			own := list[image*n:][:n]
			for i := range v.Class {
				own[i] = -1
			}
			v.EachToken(image, side, func(n, row, col int) { own[v.Class+n] = int32(row*width + col) })
		}
		return nil
	})
	return list
}

// List returns the list of the visible units themselves: for every image their numbers, in raster
// order of the units of an image.
func (v *Visible) List() []int32 {
	list := make([]int32, v.Images*v.Units)
	v.OnChange(func() error {
		for image := range v.Images {
			copy(list[image*v.Units:], v.Kept(image))
		}
		return nil
	})
	return list
}

// Around returns the neighbours of the visible units, one image after the other, for convolutions
// with padding.
func (v *Visible) Around() *ops.Units {
	const square, centre = 9, 4
	around := &ops.Units{Neighbours: make([]int32, v.Images*v.Units*(square-1)), PerImage: v.Units}
	places := make([]int32, v.Side*v.Side) // of the units of an image; -1 for masked ones
	v.OnChange(func() error {
		list := around.Neighbours
		for image := range v.Images {
			for u := range places {
				places[u] = -1
			}
			for i, u := range v.Kept(image) {
				places[u] = int32(image*v.Units + i)
			}
			for _, u := range v.Kept(image) {
				for i := range square {
					y, x := int(u)/v.Side+i/3-1, int(u)%v.Side+i%3-1
					if i == centre {
						continue
					}
					if list[0] = -1; y >= 0 && x >= 0 && y < v.Side && x < v.Side {
						list[0] = places[y*v.Side+x]
					}
					list = list[1:]
				}
			}
		}
		return around.Check()
	})
	return around
}

// Restore returns the list that puts the visible tokens back into a map of whole images if a unit
// has side×side tokens: for every place of an image, class tokens first, then in raster order, the
// number of its token, or -1 if it is masked.
func (v *Visible) Restore(side int) []int32 {
	width := v.Side * side
	n := v.Class + width*width
	list := make([]int32, v.Images*n)
	v.OnChange(func() error {
		for image := range v.Images {
			own := list[image*n:][:n]
			for i := range own {
				own[i] = -1
				if i < v.Class {
					own[i] = int32(i)
				}
			}
			v.EachToken(image, side, func(n, row, col int) { own[v.Class+row*width+col] = int32(v.Class + n) })
		}
		return nil
	})
	return list
}

// Masked returns the list that takes the masked tokens from a map of whole images if a unit has
// side×side tokens: for each of them its place on the map, class tokens first, in raster order.
func (v *Visible) Masked(side int) []int32 {
	width := v.Side * side
	n := (v.Side*v.Side - v.Units) * side * side
	list := make([]int32, v.Images*n)
	seen := make([]bool, width*width)
	v.OnChange(func() error {
		for image := range v.Images {
			clear(seen)
			v.EachToken(image, side, func(_, row, col int) { seen[row*width+col] = true })
			own := list[image*n:][:0]
			for place, visible := range seen {
				if !visible {
					own = append(own, int32(v.Class+place))
				}
			}
		}
		return nil
	})
	return list
}

// set writes all lists for the visible units: kept holds their numbers in the order of the encoder,
// [units] for all images or [images, units].
func (v *Visible) set(kept []int32) error {
	if len(kept) != v.Units && len(kept) != v.Images*v.Units {
		return fmt.Errorf("localmim: %d visible units: want %d for all images, or for each of %d",
			len(kept), v.Units, v.Images)
	}
	for rest := kept; len(rest) > 0; rest = rest[v.Units:] {
		if err := v.check(rest[:v.Units]); err != nil {
			return err
		}
	}
	v.kept = kept
	for _, f := range v.change {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

func (v *Visible) check(units []int32) error {
	for i, u := range units {
		if u < 0 || int(u) >= v.Side*v.Side {
			return fmt.Errorf("localmim: visible unit %d is outside of %d×%d units", u, v.Side, v.Side)
		}
		for _, w := range units[:i] {
			if u == w {
				return fmt.Errorf("localmim: unit %d is visible twice", u)
			}
		}
	}
	return nil
}
