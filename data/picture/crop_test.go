package picture

import (
	"testing"

	"fasternet/internal/datatest"
	"fasternet/internal/rng"
)

func TestCentreOffset(t *testing.T) {
	for _, c := range []struct{ n, window, want int }{
		{249, 224, 12}, // 12.5 rounds to even
		{251, 224, 14}, // 13.5 too
		{248, 224, 12},
		{224, 224, 0},
		{28, 32, -2},
		{29, 32, -1}, // one zero before, two after
	} {
		if got := CentreOffset(c.n, c.window); got != c.want {
			t.Errorf("a window of %d on %d starts at %d, want %d", c.window, c.n, got, c.want)
		}
	}
}

func TestCentreCropPads(t *testing.T) {
	m := &Image{[]uint8{1, 2, 3, 4, 5, 6}, 2, 3, 1}
	datatest.SameImage(t, "wider and lower", CentreCrop(m, 1, 6),
		&Image{[]uint8{0, 1, 2, 3, 0, 0}, 1, 6, 1})
	datatest.SameImage(t, "narrower and higher", CentreCrop(m, 5, 1),
		&Image{[]uint8{0, 2, 5, 0, 0}, 5, 1, 1})
}

func TestCropPaddedOutside(t *testing.T) {
	m := &Image{[]uint8{1, 2, 3, 4}, 2, 2, 1}
	for _, at := range [][2]int{{0, 5}, {0, -5}, {5, 0}, {-5, 0}, {0, 2}, {0, -2}} {
		dst := datatest.RandomImage[Image](rng.New(1, rng.Bench), 2, 2, 1)
		CropPadded(dst, m, at[0], at[1])
		datatest.SameImage(t, "outside", dst, NewImage(2, 2, 1))
	}
}
