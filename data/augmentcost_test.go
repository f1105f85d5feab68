package data

import (
	"slices"
	"testing"

	"fasternet/data/augment"
	"fasternet/data/picture"
	"fasternet/internal/datatest"
	"fasternet/internal/rng"
)

// BenchmarkAugment measures what an image of 224×224 costs on average, besides crop and resize.
func BenchmarkAugment(b *testing.B) {
	const size = 224
	for _, c := range []struct {
		name string
		set  func(t *TrainTransform)
	}{
		{"RandAugment", func(t *TrainTransform) { t.RandAugment = parsed(b, "rand-m9-mstd0.5-inc1") }},
		{"ColorJitter", func(t *TrainTransform) { t.ColorJitter = 0.4 }},
	} {
		b.Run(c.name, func(b *testing.B) {
			tr := trainTransform(size, 3)
			c.set(tr)
			src := photo(b)
			m, spare := clonedImage(src), clonedImage(src)
			r := rng.New(1, rng.Augment)
			var canvas augment.Canvas
			b.ReportAllocs()
			for b.Loop() {
				m.Reshape(size, size, 3) // it may have become the spare, of any shape
				copy(m.Pix, src.Pix)
				if _, err := tr.recolour(&canvas, m, spare, nil, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("Erasing", func(b *testing.B) {
		e := augment.Erasing{Prob: 0.25, Mode: augment.ErasePixel, Count: 1, Area: erasingArea}
		x, r := make([]float32, size*size*3), rng.New(1, rng.Augment)
		b.ReportAllocs()
		for b.Loop() {
			e.Apply(x, size, size, 3, r)
		}
	})
	b.Run("Normalise", func(b *testing.B) { // for comparison
		tr, m, x := trainTransform(size, 3), photo(b), make([]float32, size*size*3)
		if err := tr.normaliser.prepare(tr.Validate, tr.Mean, tr.Std); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			tr.normaliser.normalise(x, m)
		}
	})
}

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

func clonedImage(m *picture.Image) *picture.Image {
	return &picture.Image{Pix: slices.Clone(m.Pix), Height: m.Height, Width: m.Width, Channels: m.Channels}
}
