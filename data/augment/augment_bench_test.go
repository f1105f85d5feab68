package augment

import (
	"testing"

	"fasternet/data/picture"
	"fasternet/internal/datatest"
	"fasternet/internal/rng"
)

// photo returns a smooth image of 224×224 with some noise.
func photo(b *testing.B) *picture.Image {
	small := datatest.RandomImage[picture.Image](rng.New(1, rng.Bench), 30, 30, 3)
	m, err := picture.Resize(small, 224, 224, picture.Bicubic)
	if err != nil {
		b.Fatal(err)
	}
	for i, n := range datatest.RandomImage[picture.Image](rng.New(2, rng.Bench), 224, 224, 3).Pix {
		m.Pix[i] = uint8(min(int(m.Pix[i])+int(n)/16, 255))
	}
	return m
}

// BenchmarkOperation measures each operation at magnitude 9 on a 224×224 image.
func BenchmarkOperation(b *testing.B) {
	for o := range operationCount {
		b.Run(operations[o].name, func(b *testing.B) {
			src := photo(b)
			c := Canvas{Image: clonedImage(src), Spare: clonedImage(src), Cubic: true}
			v := o.argument(9, true, rng.New(1, rng.Augment))
			b.ReportAllocs()
			for b.Loop() {
				copy(c.Image.Pix, src.Pix)
				c.apply(o, v)
			}
		})
	}
}
