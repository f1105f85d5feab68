package data

import (
	"slices"
	"testing"

	"fasternet/data/picture"
	"fasternet/internal/datatest"
)

// Views of an image that keeps its scale are windows of it.
func TestViews(t *testing.T) {
	const size, height, width = 8, 10, 10
	tr := evalTransform(size, 1)
	tr.CropRatio = 0.8
	m := picture.NewImage(height, width, 1)
	for i := range m.Pix {
		m.Pix[i] = uint8(2 * i)
	}
	window := func(top, left int, mirrored bool) []uint8 {
		out := picture.NewImage(size, size, 1)
		picture.CropPadded(out, m, top, left)
		if mirrored {
			picture.FlipHorizontal(out)
		}
		return out.Pix
	}
	crops := [][2]int{{1, 1}, {0, 0}, {0, 2}, {2, 0}, {2, 2}}
	for _, c := range []struct {
		kind  TTA
		crops [][2]int
		flips bool
	}{{Flip, crops[:1], true}, {FiveCrop, crops, false}, {TenCrop, crops, true}} {
		t.Run(string(c.kind), func(t *testing.T) {
			v, err := NewViews(tr, c.kind)
			if err != nil {
				t.Fatal(err)
			}
			var want []uint8
			for _, at := range c.crops {
				want = append(want, window(at[0], at[1], false)...)
				if c.flips {
					want = append(want, window(at[0], at[1], true)...)
				}
			}
			h, w, channels := v.OutputShape()
			if h != v.Count()*size || w != size || channels != 1 || len(want) != h*w {
				t.Fatalf("shape %d×%d×%d, %d views", h, w, channels, v.Count())
			}
			got := make([]float32, h*w)
			if err := v.Apply(m, nil, got); err != nil {
				t.Fatal(err)
			}
			pixels := make([]uint8, len(got))
			for i, x := range got {
				pixels[i] = uint8(x*255 + 0.5)
			}
			if !slices.Equal(pixels, want) {
				t.Errorf("%v, want %v", pixels, want)
			}
			// The first view is the one of evaluation.
			first := make([]float32, size*size)
			if err := tr.Apply(m, nil, first); err != nil || !slices.Equal(first, got[:size*size]) {
				t.Errorf("the first view is another: %v", err)
			}
		})
	}
}

func TestViewsThatCannotBe(t *testing.T) {
	squash := evalTransform(8, 1)
	squash.Crop = CropSquash
	for _, c := range []struct {
		name string
		t    *EvalTransform
		kind TTA
		want string
	}{
		{"no kind", evalTransform(8, 1), "six", `views "six": want none, flip, fivecrop, tencrop`},
		{"one view", evalTransform(8, 1), NoTTA, `views "none"`},
		{"corners of a square", squash, FiveCrop, "no corners to crop"},
		{"corners of a square, mirrored", squash, TenCrop, "no corners to crop"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := NewViews(c.t, c.kind)
			datatest.WantError(t, err, c.want)
		})
	}
	if _, err := NewViews(squash, Flip); err != nil {
		t.Errorf("the mirror image of a square: %v", err)
	}
}
