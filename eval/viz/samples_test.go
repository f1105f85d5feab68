package viz

import (
	"bytes"
	"fmt"
	"image/png"
	"strings"
	"testing"

	"fasternet/data"
	"fasternet/data/augment"
	"fasternet/data/picture"
	"fasternet/data/policy"
	"fasternet/internal/rng"

	"golang.org/x/image/font"
)

// pictures is a data set of random images of two classes. One image cannot be read.
type pictures struct{ broken int }

func (pictures) Len() int { return 16 }
func (pictures) Classes() []string {
	return []string{"Egyptian_cat_of_a_long_name_that_has_no_blanks", "dog"}
}
func (pictures) Label(i int) int   { return i % 2 }
func (pictures) Name(i int) string { return fmt.Sprintf("folder/%02d.png", i) }
func (p pictures) Image(i int) (*picture.Image, error) {
	if i == p.broken {
		return nil, fmt.Errorf("%s: broken", p.Name(i))
	}
	m, r := picture.NewImage(40, 30, 3), rng.New(1, rng.Bench, uint64(i))
	for k := range m.Pix {
		m.Pix[k] = uint8(r.IntN(256))
	}
	return m, nil
}

// Every picture has a text below it: the class, or both classes and their shares, the file
// or both files, and what was done.
func TestSamples(t *testing.T) {
	p, err := policy.Parse("rand-m9-n2")
	if err != nil {
		t.Fatal(err)
	}
	mean := []float32{0.5, 0.5, 0.5}
	transform := &data.TrainTransform{
		Size:          64,
		Scale:         [2]float64{0.3, 0.9},
		Ratio:         [2]float64{0.75, 4. / 3},
		HFlip:         0.5,
		Interpolation: picture.Bilinear,
		Mean:          mean,
		Std:           mean,
		Channels:      3,
		RandAugment:   &p,
		Erasing:       augment.Erasing{Prob: 0.5, Mode: augment.EraseConst, Count: 1, Area: [2]float64{0.1, 0.2}},
	}
	colours := Colours{Mean: mean, Std: mean}
	for _, c := range []struct {
		name   string
		mix    *data.Mixup
		broken int
	}{
		{"plain", nil, -1},
		{"mixed",
			&data.Mixup{MixupAlpha: 1, CutmixAlpha: 1, Prob: 1, SwitchProb: 0.5, Mode: data.MixElem, Classes: 2}, -1},
		{"one is broken", nil, 6},
	} {
		ds := pictures{c.broken}
		l, err := data.NewLoader(ds,
			data.LoaderOptions{Batch: 8, Transform: transform, Mix: c.mix, Trace: true, ReplaceBad: true})
		if err != nil {
			t.Fatal(err)
		}
		s, err := Samples(t.Context(), l, ds, 0, 12, colours)
		if err != nil {
			t.Fatal(err)
		}
		var all []Panel
		for _, e := range s.Entries {
			all = append(all, e.Groups[0].Panels...)
		}
		if len(all) != 12 {
			t.Fatalf("%s: %d pictures", c.name, len(all))
		}
		for i, p := range all {
			file := i
			if i == c.broken {
				file = i + 1 // another image is shown instead
			}
			class, other := ds.Classes()[file%2], ds.Classes()[1-file%2]
			name := fmt.Sprintf("%02d.png", file)
			if c.mix == nil {
				if p.Caption != class || p.Lines[0] != name {
					t.Errorf("%s: picture %d is captioned %q %q", c.name, i, p.Caption, p.Lines)
				}
			} else if partner := fmt.Sprintf("%02d.png", i/8*8+7-i%8); !strings.Contains(p.Caption, class) ||
				!strings.Contains(p.Caption, other) ||
				!strings.Contains(p.Caption, "λ ") ||
				p.Lines[0] != name ||
				p.Lines[2] != "+ "+partner ||
				len(p.Lines) != 4 {
				t.Errorf("%s: picture %d is captioned %q %q", c.name, i, p.Caption, p.Lines)
			}
			for l := 1; l < len(p.Lines); l += 2 {
				if done := p.Lines[l]; !strings.HasPrefix(done, "crop ") || !strings.Contains(done, " %") {
					t.Errorf("%s: what was done to picture %d: %q", c.name, i, done)
				}
			}
		}
		var page, contact bytes.Buffer
		if err := s.WriteHTML(&page); err != nil ||
			!strings.Contains(page.String(), "<br>"+strings.ReplaceAll(all[0].Lines[0], "+", "&#43;")) {
			t.Errorf("%s: the page: %v", c.name, err)
		}
		if err := s.WritePNG(&contact); err != nil {
			t.Fatal(err)
		}
		if m, err := png.Decode(&contact); err != nil || m.Bounds().Dx() < 8*160 {
			t.Errorf("%s: the picture: %v", c.name, err)
		}
	}
	plain, err := data.NewLoader(pictures{-1}, data.LoaderOptions{Batch: 8, Transform: transform})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Samples(t.Context(), plain, pictures{-1}, 0, 4, colours); err == nil ||
		!strings.Contains(err.Error(), "LoaderOptions.Trace") {
		t.Errorf("a loader that does not trace: %v", err)
	}
}

// Lines of a caption are folded to the width of their picture, long words too.
func TestFold(t *testing.T) {
	face, err := newFace()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"", "short", "a few words that need more than one line", strings.Repeat("w", 60),
		"x " + strings.Repeat("ä", 40) + " y",
	} {
		lines := fold(face, text, 100)
		if strings.ReplaceAll(strings.Join(lines, ""), " ", "") != strings.ReplaceAll(text, " ", "") {
			t.Errorf("%q becomes %q", text, lines)
		}
		for _, l := range lines {
			if w := newWidth(face, l); w > 100 {
				t.Errorf("%q is %d wide", l, w)
			}
		}
	}
}

func newWidth(face font.Face, text string) int { return font.MeasureString(face, text).Ceil() }
