package picture

import (
	"bytes"
	"fmt"
	"image"
	"math/rand/v2"
	"testing"

	"fasternet/internal/datatest"
	"fasternet/internal/rng"

	"github.com/gen2brain/jpegn"
)

// sceneJPEG is a file of a picture with much detail.
func sceneJPEG(t testing.TB, height, width int, o jpegn.EncodeOptions) []byte {
	t.Helper()
	scene, noise := datatest.Scene(width, height), rng.New(1, rng.Bench)
	for i, v := range scene.Pix {
		if y := i / scene.Stride; i%4 != 3 && y%24 >= 8 { // the rest stays smooth
			scene.Pix[i] = uint8(min(max(int(v)+noise.IntN(61)-30, 0), 255))
		}
	}
	var src image.Image = scene
	if o.Subsampling == jpegn.SubsampleGray {
		grey := image.NewGray(scene.Bounds())
		for y := range height {
			for x := range width {
				grey.Set(x, y, scene.At(x, y))
			}
		}
		src = grey
	}
	var file bytes.Buffer
	if err := jpegn.Encode(&file, src, &o); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func randomBox(r *rand.Rand, height, width int) Box {
	box := Box{Top: r.IntN(height), Left: r.IntN(width)}
	box.Height, box.Width = 1+r.IntN(height-box.Top), 1+r.IntN(width-box.Left)
	return box
}

// What a loader decodes of a JPEG file, the part that the crop needs, is what
// decoding all of it gives, in colour and in grey.
func TestPartsOfJPEGs(t *testing.T) {
	r := rng.New(1, rng.Bench)
	var d jpegDecoder // keeps its memory from file to file
	for _, size := range [][2]int{{1, 1}, {8, 8}, {5, 31}, {33, 16}, {77, 123}} {
		for _, form := range []struct {
			name     string
			sampling jpegn.Subsampling
		}{{"4:4:4", jpegn.Subsample444}, {"4:2:2", jpegn.Subsample422}, {"4:2:0", jpegn.Subsample420}, {"4:4:0", jpegn.Subsample440}, {"grey", jpegn.SubsampleGray}} {
			for _, o := range []jpegn.EncodeOptions{{Quality: 93}, {Quality: 100, OptimizeCoding: true}, {Quality: 60, RestartInterval: 1}, {Quality: 93, Progressive: true}} {
				o.Subsampling = form.sampling
				t.Run(fmt.Sprintf("%d×%d %s %+v", size[0], size[1], form.name, o), func(t *testing.T) {
					content := sceneJPEG(t, size[0], size[1], o)
					h, err := parseJPEG(content)
					if err != nil || !h.fast {
						t.Fatalf("%+v, %v", h, err)
					}
					whole, err := Decode(content)
					if err != nil {
						t.Fatal(err)
					}
					other := new(Image)
					Convert(other, whole)
					for range 10 {
						box := randomBox(r, h.height, h.width)
						for _, whole := range []*Image{whole, other} {
							var got Image
							if err := d.decode(&got, content, h, box, whole.Channels); err != nil {
								t.Fatal(err)
							}
							want := NewImage(box.Height, box.Width, whole.Channels)
							CropPadded(want, whole, box.Top, box.Left)
							datatest.SameImage(t, fmt.Sprint(box, whole.Channels), &got, want)
						}
					}
				})
			}
		}
	}
}
