package picture

import (
	"testing"

	"fasternet/internal/datatest"
	"fasternet/internal/rng"
)

func TestConvert(t *testing.T) {
	rgb := &Image{[]uint8{255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255}, 2, 2, 3}
	var got Image
	Convert(&got, rgb)
	datatest.SameImage(t, "to grey", &got, &Image{[]uint8{76, 150, 29, 255}, 2, 2, 1})

	Convert(&got, &Image{[]uint8{7, 9}, 1, 2, 1})
	datatest.SameImage(t, "to RGB", &got, &Image{[]uint8{7, 7, 7, 9, 9, 9}, 1, 2, 3})
}

func TestFlipHorizontal(t *testing.T) {
	for _, channels := range []int{1, 3} {
		for _, width := range []int{1, 2, 5} {
			m := datatest.RandomImage[Image](rng.New(1, rng.Bench), 3, width, channels)
			got := NewImage(3, width, channels)
			copy(got.Pix, m.Pix)
			FlipHorizontal(got)
			for y := range 3 {
				for x := range width {
					for c := range channels {
						if got.Row(y, x, x+1)[c] != m.Row(y, width-1-x, width-x)[c] {
							t.Fatalf("%d channels, width %d: (%d, %d) is not mirrored", channels, width, y, x)
						}
					}
				}
			}
		}
	}
}
