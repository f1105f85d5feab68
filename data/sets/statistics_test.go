package sets

import (
	"image"
	"image/color"
	"math"
	"path/filepath"
	"testing"

	"fasternet/data"
	"fasternet/internal/datatest"
)

func TestMeasure(t *testing.T) {
	root := t.TempDir()
	datatest.WriteFile(t, filepath.Join(root, "c", "0.png"),
		datatest.EncodePNG(t, datatest.Filled(image.NewRGBA(image.Rect(0, 0, 4, 4)), color.RGBA{255, 0, 51, 255})))
	datatest.WriteFile(t, filepath.Join(root, "c", "1.png"),
		datatest.EncodePNG(t, datatest.Filled(image.NewRGBA(image.Rect(0, 0, 9, 2)), color.RGBA{0, 0, 51, 255})))
	d, err := OpenClassFolders(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := data.Measure(t.Context(), d, 3, 0, 2, false)
	if err != nil || s.Images != 2 {
		t.Fatal(err)
	}
	for c, want := range []struct{ mean, std float64 }{{0.5, 0.5}, {0, 0}, {0.2, 0}} {
		if math.Abs(s.Mean[c]-want.mean) > 1e-9 || math.Abs(s.Std[c]-want.std) > 1e-7 {
			t.Errorf("channel %d: %v ± %v, want %v", c, s.Mean[c], s.Std[c], want)
		}
	}
}
