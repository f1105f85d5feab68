package augment

import (
	"fmt"
	"slices"
	"testing"

	"fasternet/data/picture"
	"fasternet/internal/datatest"
	"fasternet/internal/rng"
)

// Quick arithmetic gives the same bytes as the exact one, for any size, distance and image: noise,
// black and white, few levels, flat parts.
func TestQuickWarpsAreExact(t *testing.T) {
	r := rng.New(1, rng.Bench)
	fill := [3]uint8{124, 116, 104}
	for round := range 400 {
		m := datatest.RandomImage[picture.Image](r, 1+r.IntN(40), 1+r.IntN(100), 3)
		switch round % 4 {
		case 1:
			solarizeAdd(m, 128) // to 0, or to 128 and more
			posterize(m, 1)
		case 2:
			posterize(m, 2)
		case 3:
			clear(m.Pix[:len(m.Pix)/2])
		}
		v := r.NormFloat64() * 0.3
		if round%5 == 0 {
			v = float64(r.IntN(9)-4) / 4 // coordinates that are whole
		}
		for _, c := range []struct {
			name string
			a    affine
		}{
			{"rotate", rotation(v*60, m.Height, m.Width)},
			{"shear x", affine{1, v, 0, 0, 1, 0}},
			{"shear y", affine{1, 0, 0, v, 1, 0}},
			{"translate x", affine{1, 0, v * float64(m.Width), 0, 1, 0}},
			{"translate y", affine{1, 0, 0, 0, 1, v * float64(m.Height)}},
			{"far away", affine{1, 0, 1e6, 0, 1, 0}},
			{"far down", affine{1, 0, 0, 1e6, 1, 0}},
		} {
			t.Run(c.name, func(t *testing.T) {
				got, want := picture.NewImage(m.Height, m.Width, 3), picture.NewImage(m.Height, m.Width, 3)
				warp(got, m, &c.a, &fill, true)
				s := warper{Image: m, affine: &c.a, fill: &fill, smooth: true}
				for y := range m.Height {
					for x := range m.Width {
						s.pixel(want, x, y, false)
					}
				}
				datatest.SameImage(t,
					fmt.Sprintf("%s by %v of %d×%d, round %d", c.name, v, m.Height, m.Width, round),
					got, want)
			})
		}
	}
}

// Turns and translations by whole pixels equal results computed by hand.
func TestWarpByHand(t *testing.T) {
	m := &picture.Image{Pix: []uint8{1, 2, 3, 4, 5, 6}, Height: 2, Width: 3, Channels: 1}
	for _, c := range []struct {
		name string
		a    affine
		want []uint8
	}{
		{"half turn", rotation(180, 2, 3), []uint8{6, 5, 4, 3, 2, 1}},
		{"left by one", affine{1, 0, 1, 0, 1, 0}, []uint8{2, 3, 9, 5, 6, 9}},
		{"down by one", affine{1, 0, 0, 0, 1, -1}, []uint8{9, 9, 9, 1, 2, 3}},
	} {
		for _, cubic := range []bool{false, true} {
			got := picture.NewImage(2, 3, 1)
			warp(got, m, &c.a, &[3]uint8{9}, cubic)
			if !slices.Equal(got.Pix, c.want) {
				t.Errorf("%s, cubic %v: %v, want %v", c.name, cubic, got.Pix, c.want)
			}
		}
	}
	// Half a pixel: weights −0.125, 0.625, 0.625, −0.125, truncated; the last point is outside.
	row := &picture.Image{Pix: []uint8{0, 0, 200, 100, 0, 0}, Height: 1, Width: 6, Channels: 1}
	got := picture.NewImage(1, 6, 1)
	warp(got, row, &affine{1, 0, 0.5, 0, 1, 0}, &[3]uint8{9}, true)
	if want := []uint8{0, 112, 187, 37, 0, 9}; !slices.Equal(got.Pix, want) {
		t.Errorf("half a pixel: %v, want %v", got.Pix, want)
	}
}
