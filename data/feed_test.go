package data

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/internal/rng"
)

// scene is a smooth coloured image with an edge.
func scene(width, height int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := color.RGBA{uint8(x * 255 / width), uint8(y * 255 / height), uint8((x + y) % 200), 255}
			if x > 2*y {
				c.R, c.B = 255-c.R, 30
			}
			m.Set(x, y, c)
		}
	}
	return m
}

// What a loader decodes of a JPEG file, the part that the crop needs, is what
// decoding all of it gives.
func TestPartsOfJPEGs(t *testing.T) {
	content := encodeJPEG(t, scene(123, 77))
	whole, err := Decode(content)
	if err != nil {
		t.Fatal(err)
	}
	h, err := parseJPEG(content)
	if err != nil || !h.fast {
		t.Fatalf("%+v, %v", h, err)
	}
	r := rng.New(1, rng.Bench)
	var d jpegDecoder
	var got Image
	for range 200 {
		box := Box{r.IntN(77), r.IntN(123), 0, 0}
		box.Height, box.Width = 1+r.IntN(77-box.Top), 1+r.IntN(123-box.Left)
		if err := d.decode(&got, content, h, box, 3); err != nil {
			t.Fatal(err)
		}
		want := NewImage(box.Height, box.Width, 3)
		cropPadded(want, whole, box.Top, box.Left)
		sameImage(t, fmt.Sprint(box), &got, want)
	}
}

// fileInput is the input of a transform that an image file is.
func fileInput(t testing.TB, content []byte) *input {
	t.Helper()
	src := new(input)
	if err := src.Open(content, Decoding{}, "an image"); err != nil {
		t.Fatal(err)
	}
	return src
}

// Decoding at a smaller scale changes little.
func TestScaledDecoding(t *testing.T) {
	content := encodeJPEG(t, scene(1403, 1001))
	of := func(scaled bool) []float32 {
		tr := trainTransform(64, 3)
		tr.ScaledDecoding, tr.Scale = scaled, [2]float64{0.5, 1}
		dst := make([]float32, 64*64*3)
		if err := tr.apply(fileInput(t, content), rng.New(2, rng.Augment), dst); err != nil {
			t.Fatal(err)
		}
		return dst
	}
	a, b := of(false), of(true)
	var sum float64
	for i := range a {
		sum += math.Abs(float64(a[i] - b[i]))
	}
	if mean := sum / float64(len(a)); mean == 0 || mean > 0.03 {
		t.Errorf("the mean deviation is %v", mean)
	}
}

// A file that vanishes or cannot be read during training is named, or replaced.
func TestLoaderReplacesBadImages(t *testing.T) {
	root := t.TempDir()
	for i := range 8 {
		writeFile(t, filepath.Join(root, fmt.Sprintf("c%d", i%2), fmt.Sprintf("%d.jpg", i)), encodeJPEG(t, scene(40+i, 40)))
	}
	d, err := OpenClassFolders(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	opt := LoaderOptions{Batch: 4, Workers: 2, Prefetch: 1, Transform: trainTransform(36, 3), Shuffle: true}
	clean := batches(t, newLoader(t, d, opt), 0, 0)
	if err := os.Remove(d.Name(2)); err != nil {
		t.Fatal(err)
	}
	writeFile(t, d.Name(3), []byte("\xff\xd8\xff"))
	it := newLoader(t, d, opt).Epoch(t.Context(), 0, 0)
	defer it.Close()
	for err == nil {
		_, err = it.Next()
	}
	wantError(t, err, "c0")
	opt.ReplaceBad = true
	var replaced []int
	for s, b := range batches(t, newLoader(t, d, opt), 0, 0) {
		for _, r := range b.Replaced {
			replaced = append(replaced, r.Index)
			if !strings.Contains(r.Err.Error(), d.Name(r.Index)) {
				t.Errorf("%v does not name %s", r.Err, d.Name(r.Index))
			}
			if b.Labels[r.At] != d.Label(4) { // that of the image which is there
				t.Errorf("label %d", b.Labels[r.At])
			}
		}
		n := len(b.Images) / b.Size
		for k, i := range b.Indices {
			if same := slices.Equal(b.Images[k*n:][:n], clean[s].Images[k*n:][:n]); same == (i == 2 || i == 3) {
				t.Errorf("sample %d: the same as without bad images is %v", i, same)
			}
		}
	}
	slices.Sort(replaced)
	if !slices.Equal(replaced, []int{2, 3}) {
		t.Errorf("replaced %v, want 2 and 3", replaced)
	}
	for i := range d.Len() {
		writeFile(t, d.Name(i), nil)
	}
	it2 := newLoader(t, d, opt).Epoch(t.Context(), 0, 0)
	defer it2.Close()
	_, err = it2.Next()
	wantError(t, err, "so are all images behind it, 7 or more")
}

func TestVerify(t *testing.T) {
	root := t.TempDir()
	whole := encodeJPEG(t, scene(64, 64))
	writeFile(t, filepath.Join(root, "c", "0.jpg"), whole)
	cut := slices.Clone(whole[:len(whole)/2])
	writeFile(t, filepath.Join(root, "c", "1.jpg"), cut)
	writeFile(t, filepath.Join(root, "c", "2.jpg"), append(cut, 0xff, 0xd9)) // decoders fill it up
	writeFile(t, filepath.Join(root, "c", "3.bmp"), []byte("BM"))
	d, err := OpenClassFolders(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	v, err := Verify(t.Context(), d, VerifyOptions{Workers: 2})
	if err != nil || len(v.Broken) != 3 {
		t.Fatalf("%+v, %v", v, err)
	}
	for i, b := range v.Broken {
		if b.Index != i+1 || !strings.Contains(b.Err.Error(), b.Name) {
			t.Errorf("%+v", b)
		}
	}
}

func TestMeasure(t *testing.T) {
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "c", "0.png"), encodePNG(t, filled(image.NewRGBA(image.Rect(0, 0, 4, 4)), color.RGBA{255, 0, 51, 255})))
	writeFile(t, filepath.Join(root, "c", "1.png"), encodePNG(t, filled(image.NewRGBA(image.Rect(0, 0, 9, 2)), color.RGBA{0, 0, 51, 255})))
	d, err := OpenClassFolders(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Measure(t.Context(), d, 3, 0, 2, false)
	if err != nil || s.Images != 2 {
		t.Fatal(err)
	}
	for c, want := range []struct{ mean, std float64 }{{0.5, 0.5}, {0, 0}, {0.2, 0}} {
		if math.Abs(s.Mean[c]-want.mean) > 1e-9 || math.Abs(s.Std[c]-want.std) > 1e-7 {
			t.Errorf("channel %d: %v ± %v, want %v", c, s.Mean[c], s.Std[c], want)
		}
	}
}

func BenchmarkApplyJPEG(b *testing.B) {
	content := encodeJPEG(b, scene(500, 375))
	src := fileInput(b, content)
	t, dst := trainTransform(224, 3), make([]float32, 224*224*3)
	b.ReportAllocs()
	for i := range b.N {
		if err := t.apply(src, rng.New(1, rng.Augment, uint64(i)), dst); err != nil {
			b.Fatal(err)
		}
	}
}
