package data

import (
	"bytes"
	"math"
	"testing"

	"fasternet/data/picture"
	"fasternet/internal/datatest"
	"fasternet/internal/rng"

	"github.com/gen2brain/jpegn"
)

// fileInput returns an image file as the input of a transform.
func fileInput(t testing.TB, content []byte) *input {
	t.Helper()
	src := new(input)
	if err := src.Open(content, picture.Decoding{}, "an image"); err != nil {
		t.Fatal(err)
	}
	return src
}

// Decoding at a smaller scale changes little.
func TestScaledDecoding(t *testing.T) {
	t.Parallel()
	content := datatest.EncodeJPEG(t, datatest.Scene(1403, 1001))
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

// Decoding at a smaller scale gives the same part of an image that has to be turned.
func TestOrientationOfScaledParts(t *testing.T) {
	t.Parallel()
	plain := datatest.EncodeJPEG(t, datatest.Scene(1403, 1001))
	for o := 1; o <= 8; o++ {
		content := datatest.WithOrientation(plain, o)
		if got := picture.OrientationOf(content, "jpg"); int(got) != o {
			t.Fatalf("orientation %d, want %d", got, o)
		}
		of := func(scaled bool) []float32 {
			tr := trainTransform(64, 3)
			tr.ScaledDecoding, tr.Scale = scaled, [2]float64{0.3, 0.6}
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
			t.Errorf("orientation %d: %.4f away", o, mean)
		}
	}
}

// A grey image can be made of a colour file at a smaller scale.
func TestScaledDecodingToGrey(t *testing.T) {
	t.Parallel()
	content := datatest.EncodeJPEG(t, datatest.Scene(1403, 1001))
	var means [2]float64
	for i := range means {
		tr := trainTransform(64, 1)
		tr.ScaledDecoding, tr.Scale = i == 1, [2]float64{0.5, 1}
		dst := make([]float32, 64*64)
		if err := tr.apply(fileInput(t, content), rng.New(2, rng.Augment), dst); err != nil {
			t.Fatal(err)
		}
		for _, v := range dst {
			means[i] += float64(v) / float64(len(dst))
		}
	}
	if d := math.Abs(means[0] - means[1]); d > 0.02 {
		t.Errorf("means of %v", means)
	}
}

func BenchmarkApplyJPEG(b *testing.B) {
	for _, form := range []string{"sequential", "progressive"} {
		b.Run(form, func(b *testing.B) {
			var file bytes.Buffer
			options := &jpegn.EncodeOptions{Quality: 93, Progressive: form == "progressive"}
			if err := jpegn.Encode(&file, datatest.Scene(500, 375), options); err != nil {
				b.Fatal(err)
			}
			src := fileInput(b, file.Bytes())
			t, dst := trainTransform(224, 3), make([]float32, 224*224*3)
			b.ReportAllocs()
			for i := range b.N {
				if err := t.apply(src, rng.New(1, rng.Augment, uint64(i)), dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
