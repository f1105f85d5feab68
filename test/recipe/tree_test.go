//go:build unix

package recipe

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// wnids are names of classes like in ImageNet: their numbers in WordNet.
var wnids = []string{"n01440764", "n02085620", "n03445777", "n07753592"}

// The number of images of each class in the tree.
const trainPerClass, valPerClass = 32, 4

// imagenet makes a folder with the layout and the names of ImageNet: JPEG files of mixed sizes, some
// grey, one in CMYK, one of 4:2:2, and one that is a PNG. No encoder in Go writes CMYK and 4:2:2, so these
// two come from testdata, written by Pillow.
func imagenet(t *testing.T, dir string) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	for class, wnid := range wnids {
		for i := range trainPerClass {
			write(t, filepath.Join(dir, "train", wnid, fmt.Sprintf("%s_%d.JPEG", wnid, 13*i+7)),
				encoded(t, class, i, random))
		}
		for i := range valPerClass {
			write(t, filepath.Join(dir, "val", wnid, fmt.Sprintf("ILSVRC2012_val_%08d.JPEG", 4*class+i+1)),
				encoded(t, class, i, random))
		}
	}
	for _, c := range []struct{ name, place string }{
		{"cmyk.jpg", "train/n01440764/n01440764_7.JPEG"},
		{"422.jpg", "train/n02085620/n02085620_20.JPEG"},
	} {
		raw, err := os.ReadFile(filepath.Join("testdata", c.name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, filepath.FromSlash(c.place)), raw)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture(2, 180, 123, random)); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "train", "n03445777", "n03445777_7.JPEG"), b.Bytes())
}

// encoded returns the i-th JPEG file of a class.
func encoded(t *testing.T, class, i int, random *rand.Rand) []byte {
	t.Helper()
	w, h := 60+random.IntN(340), 60+random.IntN(280)
	var img image.Image = picture(class, w, h, random)
	if i%8 == 5 {
		grey := image.NewGray(img.Bounds())
		for y := range h {
			for x := range w {
				grey.Set(x, y, img.At(x, y))
			}
		}
		img = grey
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 75 + i%20}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// picture draws noise on a colour with the stripes of its class.
func picture(class, w, h int, random *rand.Rand) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	width := 6 + 5*class
	for y := range h {
		for x := range w {
			v := [3]uint8{uint8(random.IntN(60)), uint8(random.IntN(60)), uint8(random.IntN(60))}
			v[class%3] += 120
			if (x+y*(class%2))/width%2 == 0 {
				v[(class+1)%3] += 100
			}
			img.SetRGBA(x, y, color.RGBA{v[0], v[1], v[2], 255})
		}
	}
	return img
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}
