package ops

import (
	"fmt"

	"fasternet/kernels"
)

// Units says that the images of a map are squares of larger images: the visible units of masked
// images, which are the only ones that are computed. A convolution with padding reads the lines
// around a unit from the units next to it.
type Units struct {
	// Neighbours has eight numbers for every unit of the map: the units around it, in raster order
	// from the upper left one, or -1 for a unit that is masked or outside of the image, which
	// counts as zeros. If unit i has j to its right, then j must have i to its left, and so on: the
	// backward pass relies on it. The owner of the list may write other numbers between two runs,
	// and then calls Check. Nil means no neighbours at all: zeros around every unit.
	Neighbours []int32
	// PerImage is the number of units of an image, which follow one another. Ops over all pixels of
	// an image need it.
	PerImage int
}

// around is the number of units around a unit.
const around = 8

// centre is the number of the unit itself in the 3×3 square of units.
const centre = 4

// fit returns what does not fit a map with the given number of units.
func (u *Units) fit(units int) error {
	if u.Neighbours != nil && len(u.Neighbours) != around*units {
		return fmt.Errorf("%d numbers of neighbours for %d units: want %d for each", len(u.Neighbours), units, around)
	}
	return nil
}

// Check finds numbers of units that do not exist, and neighbours that are not mutual.
func (u *Units) Check() error {
	units := len(u.Neighbours) / around
	for i, n := range u.Neighbours {
		unit, place := i/around, i%around
		switch {
		case n == -1:
		case n < 0 || int(n) >= units:
			return fmt.Errorf("ops: unit %d has unit %d as a neighbour, but there are %d units", unit, n, units)
		case int(u.Neighbours[int(n)*around+around-1-place]) != unit:
			return fmt.Errorf("ops: unit %d has unit %d as a neighbour, but not the other way round", unit, n)
		}
	}
	return nil
}

// square returns the numbers of a unit and of the units around it, in raster order; -1 for none.
func (u *Units) square(unit int) (all [around + 1]int) {
	for i := range all {
		all[i] = -1
		switch {
		case i == centre:
			all[i] = unit
		case u.Neighbours == nil:
		case i < centre:
			all[i] = int(u.Neighbours[unit*around+i])
		default:
			all[i] = int(u.Neighbours[unit*around+i-1])
		}
	}
	return all
}

// beyond says where row or column i of a unit with n of them is, -1 <= i <= n: in which of three
// neighbouring units, and at which place in that unit.
func beyond(i, n int) (unit, at int) {
	switch {
	case i < 0:
		return 0, n - 1
	case i >= n:
		return 2, 0
	}
	return 1, i
}

// pad is [kernels.PConv.Pad] for some lines of a unit: it copies them, with their surroundings, to
// dst. m holds the rows of all units.
func (u *Units) pad(k *kernels.Set, dst []float32, p kernels.PConv, m kernels.Matrix, s mapShape, unit, line int) {
	l := k.Begin()
	defer l.End(kernels.Work{Kind: kernels.Copying}, 8*p.PaddedLen())
	k = k.Unmetered()
	c, square := p.Channels, u.square(unit)
	pixel := func(dst []float32, unit, y, x int) {
		if unit < 0 {
			clear(dst)
			return
		}
		copy(dst, m.Data[((unit*s.height+y)*s.width+x)*m.Stride:][:c])
	}
	length := (p.Width + 2) * c
	for i := range p.Height + 2 {
		out := dst[i*length:][:length]
		row, y := beyond(line+i-1, s.height)
		pixel(out[:c], square[3*row], y, s.width-1)
		if middle := square[3*row+1]; middle < 0 {
			clear(out[c : length-c])
		} else {
			from := (middle*s.height + y) * s.width
			k.Copy(kernels.NewMatrix(out[c:], s.width, c), m.Slice(from, from+s.width).Columns(0, c))
		}
		pixel(out[length-c:], square[3*row+2], y, 0)
	}
}

// unitTap is where a tap of a 3×3 convolution reads: the number in the square of units, and the row
// within the unit.
type unitTap struct{ unit, row int }

// unitTaps returns the nine taps of every pixel of a unit.
func unitTaps(height, width int) (all [][9]unitTap) {
	for y := range height {
		for x := range width {
			var taps [9]unitTap
			for t := range taps {
				row, fromY := beyond(y+t/3-1, height)
				column, fromX := beyond(x+t%3-1, width)
				taps[t] = unitTap{3*row + column, fromY*width + fromX}
			}
			all = append(all, taps)
		}
	}
	return all
}

// gather copies the nine pixels around every row of a span next to each other: dst is [rows, 9·c].
// m holds the rows of all units, and taps the taps of one unit.
func (u *Units) gather(k *kernels.Set, dst, m kernels.Matrix, s mapShape, taps [][9]unitTap, b span) {
	c := dst.Cols / 9
	defer k.Begin().End(kernels.Work{Kind: kernels.Copying}, 8*dst.Rows*dst.Cols)
	row := 0
	for i := range b.images {
		square := u.square(b.image + i)
		for _, pixel := range taps[b.line*s.width : (b.line+b.lines)*s.width] {
			out := dst.Data[row*dst.Stride:][:dst.Cols]
			for t, tap := range pixel {
				to := out[t*c:][:c]
				if unit := square[tap.unit]; unit >= 0 {
					copy(to, m.Data[(unit*len(taps)+tap.row)*m.Stride:][:c])
				} else {
					clear(to)
				}
			}
			row++
		}
	}
}
