package sets

import (
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/data"
	"fasternet/data/picture"
)

func writePNG(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, image.NewGray(image.Rect(0, 0, 5, 4))); err != nil {
		t.Fatal(err)
	}
}

func TestListImages(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.png", "a/z.PNG", "a/b/c.png", ".hidden/x.png", "c.png"} {
		writePNG(t, filepath.Join(dir, name))
	}
	os.WriteFile(filepath.Join(dir, "note.txt"), nil, 0o644)
	files, left, err := ListImages(dir)
	if err != nil {
		t.Fatal(err)
	}
	leftOut := "1 file with another ending is left out: .txt 1; 1 hidden file or folder is left out"
	if got := data.DescribeLeftOut(left); got != leftOut {
		t.Errorf("left out: %q, want %q", got, leftOut)
	}
	var names []string
	for _, f := range files {
		rel, _ := filepath.Rel(dir, f)
		names = append(names, filepath.ToSlash(rel))
	}
	if want := []string{"a/b/c.png", "a/z.PNG", "b.png", "c.png"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	if m, err := files.Image(1); err != nil || m.Width != 5 || files.Len() != 4 || files.Name(1) != files[1] {
		t.Errorf("image: %v, %v", m, err)
	}
	for _, c := range []struct{ path, want string }{
		{t.TempDir(), "no images"},
		{filepath.Join(dir, "none"), "no such file"},
	} {
		t.Run(c.path, func(t *testing.T) {
			if _, _, err := ListImages(c.path); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %s", c.path, err, c.want)
			}
		})
	}
	if os.Symlink(dir, filepath.Join(dir, "a", "loop")) == nil {
		if _, _, err := ListImages(dir); err == nil || !strings.Contains(err.Error(), "leads back") {
			t.Errorf("a loop of links: %v", err)
		}
	}
}

// holes is a data set in which every third image cannot be read.
type holes struct{ data.Dataset }

func (h holes) Image(i int) (*picture.Image, error) {
	if i%3 == 1 {
		return nil, fmt.Errorf("%s: torn", h.Name(i))
	}
	return h.Dataset.Image(i)
}

type ramp int

func (n ramp) Len() int        { return int(n) }
func (ramp) Classes() []string { return []string{"even", "odd"} }
func (ramp) Label(i int) int   { return i % 2 }
func (ramp) Name(i int) string { return fmt.Sprint("sample ", i) }
func (ramp) Image(i int) (*picture.Image, error) {
	m := picture.NewImage(4, 4, 1)
	for p := range m.Pix {
		m.Pix[p] = uint8(i + 1)
	}
	return m, nil
}

// Bad samples keep their place, and all others are the same as without them, in every order of
// the workers.
func TestSkipBad(t *testing.T) {
	options := data.LoaderOptions{
		Batch: 4, Workers: 3, Prefetch: 2,
		Transform: &data.EvalTransform{
			Size: 4, Crop: data.CropSquash, Interpolation: picture.Bicubic, Mean: []float32{0},
			Std: []float32{1}, Channels: 1,
		},
	}
	if l, err := data.NewLoader(holes{ramp(10)}, options); err != nil {
		t.Fatal(err)
	} else if it := l.Epoch(t.Context(), 0, 0); true {
		if _, err := it.Next(); err == nil || !strings.Contains(err.Error(), "sample 1: torn") {
			t.Errorf("not skipped: %v", err)
		}
		it.Close()
	}
	for _, shuffle := range []bool{false, true} {
		options.Shuffle = shuffle
		options.SkipBad = false
		whole, err := data.NewLoader(ramp(10), options)
		if err != nil {
			t.Fatal(err)
		}
		options.SkipBad = true
		l, err := data.NewLoader(holes{ramp(10)}, options)
		if err != nil {
			t.Fatal(err)
		}
		for epoch := range 2 { // the second uses the memory of the first
			want, it := whole.Epoch(t.Context(), epoch, 0), l.Epoch(t.Context(), epoch, 0)
			for {
				a, errA := want.Next()
				b, errB := it.Next()
				if errors.Is(errA, io.EOF) && errors.Is(errB, io.EOF) {
					break
				}
				if errA != nil || errB != nil {
					t.Fatal(errA, errB)
				}
				if !slices.Equal(a.Indices, b.Indices) || !slices.Equal(a.Labels, b.Labels) ||
					!slices.Equal(a.Targets, b.Targets) {
					t.Fatalf("samples %v and %v", a.Indices, b.Indices)
				}
				bad := b.Bad
				for k, i := range b.Indices {
					image := a.Images[k*16 : (k+1)*16]
					if i%3 == 1 {
						image = make([]float32, 16)
						if len(bad) == 0 || bad[0].At != k || bad[0].Index != i ||
							!strings.Contains(bad[0].Err.Error(), fmt.Sprint("sample ", i, ": torn")) {
							t.Fatalf("bad: %+v, at %d", bad, k)
						}
						bad = bad[1:]
					}
					if !slices.Equal(image, b.Images[k*16:(k+1)*16]) {
						t.Errorf("image %d differs", i)
					}
				}
				if len(bad) != 0 {
					t.Errorf("too many bad ones: %+v", bad)
				}
			}
			want.Close()
			it.Close()
		}
	}
	options.Mix = &data.Mixup{MixupAlpha: 0.2, Prob: 1, Classes: 2}
	if _, err := data.NewLoader(ramp(8), options); err == nil || !strings.Contains(err.Error(), "mixed") {
		t.Errorf("with mixup: %v", err)
	}
}
