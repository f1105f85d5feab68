package localmim

import "fmt"

// Visible is what a program knows of the visible units of its images: how many they are,
// which is the same in every run, and which, which changes from run to run. Lists that depend
// on it are written again before each run.
type Visible struct {
	Images int // in a batch
	Units  int // that are visible in an image
	Side   int // units along a side of an image
	Class  int // class tokens in front of those of an image

	kept   []int32 // units, [Images, Units], or [Units] for all
	change []func() error
}

// Tokens is the number of visible tokens of an image where a unit has side×side, without
// class tokens.
func (v *Visible) Tokens(side int) int { return v.Units * side * side }

// Kept are the visible units of an image in the present run, in the order of the encoder.
func (v *Visible) Kept(image int) []int32 {
	if v.Same() {
		return v.kept
	}
	return v.kept[image*v.Units:][:v.Units]
}

// Same says whether the same units are visible in all images of the present run.
func (v *Visible) Same() bool { return len(v.kept) == v.Units }

// OnChange has f called before each run, when the visible units are known.
func (v *Visible) OnChange(f func() error) { v.change = append(v.change, f) }

// EachToken calls f for the visible tokens of an image in their order, unit by unit: with
// their number and their row and column on the map of the whole image, where a unit has
// side×side tokens.
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

// Select is the list that takes the visible tokens from a map of whole images where a unit
// has side×side tokens: for every token of an image, class tokens first, its place on the map
// in raster order; -1 for a class token.
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

// Restore is the list that puts the visible tokens back into a map of whole images where a
// unit has side×side tokens: for every place of an image, class tokens first, then in raster
// order, the number of its token; -1 where it is masked.
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

// set writes all lists for the units that are visible: kept are their numbers in the order of
// the encoder, [units] for all images or [images, units].
func (v *Visible) set(kept []int32) error {
	if len(kept) != v.Units && len(kept) != v.Images*v.Units {
		return fmt.Errorf("localmim: %d visible units: want %d for all images, or for each of %d", len(kept), v.Units, v.Images)
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
			return fmt.Errorf("localmim: visible unit %d of %d×%d", u, v.Side, v.Side)
		}
		for _, w := range units[:i] {
			if u == w {
				return fmt.Errorf("localmim: unit %d is visible twice", u)
			}
		}
	}
	return nil
}
