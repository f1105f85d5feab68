package swin

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"fasternet/graph/foreign"
)

// resizeTable converts a table of relative position bias [(2·from-1)², heads] to windows of another
// side, as timm 1.0 does: it puts the places of the old table at distances that grow geometrically,
// so that they span the new one, and interpolates linearly between them.
func resizeTable(table []float32, heads, from, to int) []float32 {
	old, side := 2*from-1, 2*to-1
	at := spread(old/2, side/2)
	shares := make([]share, side)
	for i := range shares {
		shares[i] = between(at, float64(i-side/2))
	}
	out := make([]float32, side*side*heads)
	for y, ys := range shares {
		for x, xs := range shares {
			for h := range heads {
				value := func(row, col int) float64 { return float64(table[(row*old+col)*heads+h]) }
				upper := value(ys.left, xs.left)*(1-xs.right) + value(ys.left, xs.left+xs.step)*xs.right
				lower := value(ys.left+ys.step, xs.left)*(1-xs.right) + value(ys.left+ys.step, xs.left+xs.step)*xs.right
				out[(y*side+x)*heads+h] = float32(upper*(1-ys.right) + lower*ys.right)
			}
		}
	}
	return out
}

// spread returns the places of the values of an old table: 0, and half of them on either side at
// distances 1, 1 + q, 1 + q + q², …, with q from 1.01 to 1.5 such that the last place is as close
// as possible to reach. The bounds come from timm.
func spread(half, reach int) []float64 {
	low, high, q := 1.01, 1.5, 0.0
	for high-low > 1e-6 {
		q = (low + high) / 2
		if (1-math.Pow(q, float64(half)))/(1-q) > float64(reach) {
			high = q
		} else {
			low = q
		}
	}
	at := make([]float64, 2*half+1)
	distance := 1.0
	for i := range half {
		d := float64(float32(distance))
		at[half+1+i], at[half-1-i] = d, -d
		distance += math.Pow(q, float64(i+1))
	}
	return at
}

// share says between which two places of a table a place lies: at left and left + step. The second
// counts by right.
type share struct {
	left, step int
	right      float64
}

func between(at []float64, x float64) share {
	i := sort.SearchFloat64s(at, x)
	switch {
	case i == 0:
		return share{}
	case i == len(at):
		return share{left: i - 1}
	}
	return share{i - 1, 1, (x - at[i-1]) / (at[i] - at[i-1])}
}

// fit interpolates a table of position bias [(2·side-1)², heads] for windows of another side.
func fit(t foreign.Tensor, want []int, _ bool) (fitted foreign.Tensor, note string, ok bool) {
	if !strings.HasSuffix(t.Name, ".relative_position_bias_table") || len(t.Shape) != 2 || t.Shape[1] != want[1] {
		return t, "", false
	}
	from, to := foreign.SquareRoot(t.Shape[0]), foreign.SquareRoot(want[0])
	if from%2 == 0 || to%2 == 0 {
		return t, "", false
	}
	from, to = (from+1)/2, (to+1)/2
	t.F32, t.Shape = resizeTable(t.F32, t.Shape[1], from, to), slices.Clone(want)
	return t, fmt.Sprintf(
		"%%d tables of position bias for windows of %d×%[1]d are interpolated for %d×%[2]d", from, to,
	), true
}
