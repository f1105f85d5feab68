package data

import (
	"fmt"
	"image"
	"image/color"
	"path/filepath"
	"slices"
	"testing"
)

// pixels is a data set of grey images of 2×3 pixels of these values; -1 is one that
// cannot be read.
type pixels []int

func (p pixels) Len() int          { return len(p) }
func (pixels) Classes() []string   { return []string{"a"} }
func (pixels) Label(int) int       { return 0 }
func (p pixels) Name(i int) string { return fmt.Sprint("pixels ", i) }
func (p pixels) Image(i int) (*Image, error) {
	if p[i] < 0 {
		return nil, errTruncated
	}
	m := NewImage(2, 3, 1)
	for k := range m.Pix {
		m.Pix[k] = uint8(p[i])
	}
	if p[i] >= 256 { // the same values in another shape
		m.Height, m.Width = 3, 2
	}
	return m, nil
}

func TestFindCopies(t *testing.T) {
	of := func(p pixels) *Verified {
		t.Helper()
		v, err := Verify(t.Context(), p, VerifyOptions{Workers: 3, Copies: true})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		name  string
		parts []pixels
		want  string
	}{
		{"none", []pixels{{1, 2}, {3}}, "[]"},
		{"in one part", []pixels{{1, 2, 3, 2, 1, 1}}, "[[{0 0} {0 4} {0 5}] [{0 1} {0 3}]]"},
		{"in two", []pixels{{5, 1}, {}, {1, 6, 5}}, "[[{0 0} {2 2}] [{0 1} {2 0}]]"},
		{"broken ones are copies of none", []pixels{{-1, 1}, {-1, -1, 1}}, "[[{0 1} {1 2}]]"},
		{"all black", []pixels{{0, 0}}, "[[{0 0} {0 1}]]"},
		{"another shape", []pixels{{1, 257}}, "[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var parts []*Verified
			for _, p := range c.parts {
				parts = append(parts, of(p))
			}
			if got := fmt.Sprint(FindCopies(parts...)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	if v, err := Verify(t.Context(), pixels{1, 1}, VerifyOptions{}); err != nil || len(FindCopies(v)) != 0 {
		t.Errorf("without Copies: %v, %v", FindCopies(v), err)
	}
}

// An image that was saved again without a loss is a copy.
func TestCopiesAreOfPixels(t *testing.T) {
	root := t.TempDir()
	m := scene(20, 30)
	rgba := image.NewNRGBA(m.Bounds())
	for y := range 30 {
		for x := range 20 {
			rgba.Set(x, y, m.At(x, y))
		}
	}
	writeFile(t, filepath.Join(root, "a", "1.png"), encodePNG(t, m))
	writeFile(t, filepath.Join(root, "b", "2.png"), append(encodePNG(t, rgba), "more at its end"...))
	writeFile(t, filepath.Join(root, "b", "3.jpg"), encodeJPEG(t, m))
	v, err := Verify(t.Context(), openFolder(t, root, ""), VerifyOptions{Copies: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(FindCopies(v)); got != "[[{0 0} {0 1}]]" {
		t.Errorf("got %s", got)
	}
}

func TestVerifySizes(t *testing.T) {
	root := t.TempDir()
	for name, size := range map[string]image.Point{"a": {9, 40}, "b": {40, 9}, "c": {10, 10}, "d": {40, 26}, "e": {40, 25}, "f": {1, 2000}} {
		writeFile(t, filepath.Join(root, "x", name+".png"), encodePNG(t, filled(image.NewRGBA(image.Rectangle{Max: size}), color.Black)))
	}
	names := func(all []Sized) (names []string) {
		for _, s := range all {
			names = append(names, fmt.Sprintf("%s %d×%d", filepath.Base(s.Name)[:1], s.Width, s.Height))
		}
		return names
	}
	done := 0
	v, err := Verify(t.Context(), openFolder(t, root, ""), VerifyOptions{MinSide: 10, MaxPixels: 1000, Progress: func(n, of int) {
		if done = n; of != 6 {
			t.Errorf("progress of %d", of)
		}
	}})
	if err != nil || done != 6 {
		t.Fatal(err)
	}
	if got, want := names(v.Tiny), []string{"a 9×40", "b 40×9", "f 1×2000"}; !slices.Equal(got, want) {
		t.Errorf("tiny: %q, want %q", got, want)
	}
	if got, want := names(v.Huge), []string{"d 40×26"}; !slices.Equal(got, want) {
		t.Errorf("huge: %q, want %q", got, want)
	}
	if v, err = Verify(t.Context(), openFolder(t, root, ""), VerifyOptions{}); err != nil || v.Tiny != nil || v.Huge != nil {
		t.Errorf("without limits: %+v, %v", v, err)
	}
}
