package sets

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"path/filepath"
	"slices"
	"testing"

	"fasternet/data"
	"fasternet/data/picture"
	"fasternet/internal/datatest"
)

// pixels is a data set of grey images of 2×3 pixels with these values. An image with -1 cannot be
// read.
type pixelList []int

func (p pixelList) Len() int          { return len(p) }
func (pixelList) Classes() []string   { return []string{"a"} }
func (pixelList) Label(int) int       { return 0 }
func (p pixelList) Name(i int) string { return fmt.Sprint("pixels ", i) }
func (p pixelList) Image(i int) (*picture.Image, error) {
	if p[i] < 0 {
		return nil, errors.New("broken")
	}
	m := picture.NewImage(2, 3, 1)
	for k := range m.Pix {
		m.Pix[k] = uint8(p[i])
	}
	if p[i] >= 256 { // the same values in another shape
		m.Height, m.Width = 3, 2
	}
	return m, nil
}

func TestFindCopies(t *testing.T) {
	of := func(p pixelList) *data.Verified {
		t.Helper()
		v, err := data.Verify(t.Context(), p, data.VerifyOptions{Workers: 3, Copies: true})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		name  string
		parts []pixelList
		want  string
	}{
		{"none", []pixelList{{1, 2}, {3}}, "[]"},
		{"in one part", []pixelList{{1, 2, 3, 2, 1, 1}}, "[[{0 0} {0 4} {0 5}] [{0 1} {0 3}]]"},
		{"in two", []pixelList{{5, 1}, {}, {1, 6, 5}}, "[[{0 0} {2 2}] [{0 1} {2 0}]]"},
		{"broken ones are copies of none", []pixelList{{-1, 1}, {-1, -1, 1}}, "[[{0 1} {1 2}]]"},
		{"all black", []pixelList{{0, 0}}, "[[{0 0} {0 1}]]"},
		{"another shape", []pixelList{{1, 257}}, "[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var parts []*data.Verified
			for _, p := range c.parts {
				parts = append(parts, of(p))
			}
			if got := fmt.Sprint(data.FindCopies(parts...)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	if v, err := data.Verify(t.Context(), pixelList{1, 1}, data.VerifyOptions{}); err != nil ||
		len(data.FindCopies(v)) != 0 {
		t.Errorf("without Copies: %v, %v", data.FindCopies(v), err)
	}
}

// An image that was saved again without loss is a copy.
func TestCopiesAreOfPixels(t *testing.T) {
	root := t.TempDir()
	m := datatest.Scene(20, 30)
	rgba := image.NewNRGBA(m.Bounds())
	for y := range 30 {
		for x := range 20 {
			rgba.Set(x, y, m.At(x, y))
		}
	}
	datatest.WriteFile(t, filepath.Join(root, "a", "1.png"), datatest.EncodePNG(t, m))
	datatest.WriteFile(t, filepath.Join(root, "b", "2.png"), append(datatest.EncodePNG(t, rgba), "more at its end"...))
	datatest.WriteFile(t, filepath.Join(root, "b", "3.jpg"), datatest.EncodeJPEG(t, m))
	v, err := data.Verify(t.Context(), openFolder(t, root, ""), data.VerifyOptions{Copies: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(data.FindCopies(v)); got != "[[{0 0} {0 1}]]" {
		t.Errorf("got %s", got)
	}
}

func TestVerifySizes(t *testing.T) {
	root := t.TempDir()
	for _, c := range []struct {
		name string
		size image.Point
	}{
		{"a", image.Point{9, 40}},
		{"b", image.Point{40, 9}},
		{"c", image.Point{10, 10}},
		{"d", image.Point{40, 26}},
		{"e", image.Point{40, 25}},
		{"f", image.Point{1, 2000}},
	} {
		t.Run(c.name, func(t *testing.T) {
			datatest.WriteFile(t, filepath.Join(root, "x", c.name+".png"),
				datatest.EncodePNG(t, datatest.Filled(image.NewRGBA(image.Rectangle{Max: c.size}), color.Black)))
		})
	}
	names := func(all []data.Sized) (names []string) {
		for _, s := range all {
			names = append(names, fmt.Sprintf("%s %d×%d", filepath.Base(s.Name)[:1], s.Width, s.Height))
		}
		return names
	}
	done := 0
	progress := func(n, of int) {
		if done = n; of != 6 {
			t.Errorf("progress of %d", of)
		}
	}
	o := data.VerifyOptions{MinSide: 10, MaxPixels: 1000, Progress: progress}
	v, err := data.Verify(t.Context(), openFolder(t, root, ""), o)
	if err != nil || done != 6 {
		t.Fatal(err)
	}
	if got, want := names(v.Tiny), []string{"a 9×40", "b 40×9", "f 1×2000"}; !slices.Equal(got, want) {
		t.Errorf("tiny: %q, want %q", got, want)
	}
	if got, want := names(v.Huge), []string{"d 40×26"}; !slices.Equal(got, want) {
		t.Errorf("huge: %q, want %q", got, want)
	}
	if v, err = data.Verify(t.Context(), openFolder(t, root, ""), data.VerifyOptions{}); err != nil ||
		v.Tiny != nil || v.Huge != nil {
		t.Errorf("without limits: %+v, %v", v, err)
	}
}
