package localmim

import (
	"math/rand/v2"
	"slices"
)

// DrawOrder draws the visible units as MAE does: by a random number for each, in ascending
// order of these numbers.
func DrawOrder(kept []int32, units int, r *rand.Rand) {
	noise := make([]float32, units)
	for i := range noise {
		noise[i] = r.Float32()
	}
	keepSmallest(kept, noise)
}

// keepSmallest keeps the units of the smallest numbers, in ascending order of these; equal
// numbers in the order of the units.
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

// Draw draws the visible units of some images: kept has room for those of each, one image
// after the other.
func (m *Model) Draw(kept []int32, r *rand.Rand) {
	for ; len(kept) > 0; kept = kept[m.visible:] {
		m.encoder.Draw(kept[:m.visible:m.visible], m.side*m.side, r)
	}
}
