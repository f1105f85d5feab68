//go:build linux

package soak

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// writeImages makes a data set of ten classes of stripes, in JPEG files.
func writeImages(dir string) error {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		part string
		n    int
	}{{"train", 96}, {"val", 40}} {
		for i := range c.n {
			class := i % 10
			m := image.NewRGBA(image.Rect(0, 0, 72+i%5, 70))
			phase := 6 * r.Float64()
			for y := range m.Bounds().Dy() {
				for x := range m.Bounds().Dx() {
					v := 128 + 80*math.Sin(float64(x*(class+1)+y*(10-class))/20+phase)
					noise := func(scale float64) uint8 { return uint8(max(0, min(255, scale*v+15*r.NormFloat64()))) }
					m.Set(x, y, color.RGBA{noise(1), noise(0.7), noise(0.5), 255})
				}
			}
			var b bytes.Buffer
			if err := jpeg.Encode(&b, m, nil); err != nil {
				return err
			}
			folder := filepath.Join(dir, c.part, fmt.Sprint("class", class))
			if err := os.MkdirAll(folder, 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprint(i, ".jpg")), b.Bytes(), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}
