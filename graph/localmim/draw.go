package localmim

import (
	"math/rand/v2"
	"slices"
)

// DrawOrder draws the visible units as MAE does: it draws a random number for each unit, and keeps
// the smallest ones, in ascending order.
func DrawOrder(kept []int32, units int, r *rand.Rand) {
	noise := make([]float32, units)
	for i := range noise {
		noise[i] = r.Float32()
	}
	keepSmallest(kept, noise)
}

// keepSmallest keeps the units of the smallest numbers, in ascending order of the numbers; equal
// numbers keep the order of the units.
func keepSmallest(kept []int32, noise []float32) {
	order := make([]int32, len(noise))
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
	copy(kept, order)
}

// DrawPermutation draws the visible units by a random permutation. They stay in raster order.
func DrawPermutation(kept []int32, units int, r *rand.Rand) { keepLast(kept, r.Perm(units)) }

// keepLast keeps the units with the largest numbers of a permutation, in raster order.
func keepLast(kept []int32, perm []int) {
	masked := len(perm) - len(kept)
	kept = kept[:0]
	for u, v := range perm {
		if v >= masked {
			kept = append(kept, int32(u))
		}
	}
}

// drawBlocks draws the visible units of an image of side×side units by squares of block×block
// units, which are visible or masked together. The squares begin anywhere, so that no two units are
// always in one square; the border of the image cuts some. If the last visible square has too many
// units, only some of them are visible. The units are in raster order.
func drawBlocks(kept []int32, side, block int, r *rand.Rand) {
	dy, dx := r.IntN(block), r.IntN(block)
	squares := (side-1)/block + 2 // along a side; the border cuts the first one
	units := kept[:0]
	for _, square := range r.Perm(squares * squares) {
		for _, i := range r.Perm(block * block) {
			y, x := square/squares*block-dy+i/block, square%squares*block-dx+i%block
			if y >= 0 && x >= 0 && y < side && x < side && len(units) < len(kept) {
				units = append(units, int32(y*side+x))
			}
		}
	}
	slices.Sort(kept)
}

// Draw draws the visible units of some images: kept has room for the units of each, one image after
// the other.
func (m *Model) Draw(kept []int32, r *rand.Rand) {
	for ; len(kept) > 0; kept = kept[m.visible:] {
		own := kept[:m.visible:m.visible]
		if block := m.config.MIM.MaskBlock; block > 1 {
			drawBlocks(own, m.side, block, r)
			continue
		}
		m.encoder.Draw(own, m.side*m.side, r)
	}
}
