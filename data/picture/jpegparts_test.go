package picture

import (
	"bytes"
	"fmt"
	"image"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"fasternet/internal/datatest"
	"fasternet/internal/rng"

	"github.com/gen2brain/jpegn"
)

// sceneJPEG returns a JPEG file of a picture with much detail.
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

// A loader decodes only the part of a JPEG file that the crop needs. It gives the same pixels as
// decoding the whole file, in colour and in grey, at every scale.
func TestPartsOfJPEGs(t *testing.T) {
	r := rng.New(1, rng.Bench)
	var d jpegDecoder // keeps its memory from file to file
	for _, size := range [][2]int{{1, 1}, {8, 8}, {5, 31}, {33, 16}, {77, 123}} {
		for _, form := range []struct {
			name     string
			sampling jpegn.Subsampling
		}{
			{"4:4:4", jpegn.Subsample444},
			{"4:2:2", jpegn.Subsample422},
			{"4:2:0", jpegn.Subsample420},
			{"4:4:0", jpegn.Subsample440},
			{"grey", jpegn.SubsampleGray},
		} {
			options := []jpegn.EncodeOptions{
				{Quality: 93},
				{Quality: 100, OptimizeCoding: true},
				{Quality: 60, RestartInterval: 1},
				{Quality: 93, Progressive: true},
			}
			for _, o := range options {
				o.Subsampling = form.sampling
				t.Run(fmt.Sprintf("%d×%d %s %+v", size[0], size[1], form.name, o), func(t *testing.T) {
					content := sceneJPEG(t, size[0], size[1], o)
					h, err := parseJPEG(content)
					if err != nil || !h.fast {
						t.Fatalf("%+v, %v", h, err)
					}
					for _, by := range []int{1, 2, 4, 8} {
						height, width := (h.height+by-1)/by, (h.width+by-1)/by
						for _, channels := range []int{1, 3} {
							whole, got := new(Image), new(Image)
							all := Box{0, 0, height, width}
							if err := d.decodeScaled(whole, content, h, all, channels, by); err != nil {
								t.Fatal(err)
							}
							for range 5 {
								box := randomBox(r, height, width)
								if err := d.decodeScaled(got, content, h, box, channels, by); err != nil {
									t.Fatal(err)
								}
								want := NewImage(box.Height, box.Width, channels)
								CropPadded(want, whole, box.Top, box.Left)
								datatest.SameImage(t, fmt.Sprintf("1/%d %v %d", by, box, channels), got, want)
							}
						}
					}
				})
			}
		}
	}
}

// If a file is sequential and has one scan, the decoder sees only the rows that a part needs.
func TestUpperRows(t *testing.T) {
	for _, test := range []struct {
		name        string
		progressive bool
		box         Box
		by, want    int
	}{
		{"the upper part", false, Box{3, 5, 17, 20}, 1, 22},
		{"at a smaller scale", false, Box{3, 5, 17, 20}, 2, 44},
		{"the lower part", false, Box{60, 0, 17, 20}, 1, 77},
		{"a progressive file", true, Box{3, 5, 17, 20}, 1, 77},
	} {
		t.Run(test.name, func(t *testing.T) {
			content := sceneJPEG(t, 77, 123, jpegn.EncodeOptions{Quality: 90, Progressive: test.progressive})
			h, err := parseJPEG(content)
			if err != nil {
				t.Fatal(err)
			}
			if got := h.decodedRows(test.box, test.by); got != test.want {
				t.Fatalf("%d rows, want %d", got, test.want)
			}
			if test.want == h.height { // the file is shown as it is
				return
			}
			shown, err := io.ReadAll(iotest.OneByteReader(newUpperRows(content, h, test.want)))
			if err != nil || len(shown) != len(content) {
				t.Fatalf("%d bytes of %d, %v", len(shown), len(content), err)
			}
			if c, err := jpegn.DecodeConfig(bytes.NewReader(shown)); err != nil ||
				c.Height != test.want || c.Width != 123 {
				t.Errorf("%+v, %v", c, err)
			}
			if c, err := jpegn.DecodeConfig(bytes.NewReader(content)); err != nil || c.Height != 77 {
				t.Errorf("the content has changed: %+v, %v", c, err)
			}
		})
	}
}

// A decoder does not stop after a scan that lacks a colour.
func TestWholeScan(t *testing.T) {
	ids := []byte{1, 2, 3}
	for _, test := range []struct {
		name   string
		header []byte
		ids    []byte
		want   bool
	}{
		{"all colours", []byte{3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0}, ids, true},
		{"grey", []byte{1, 9, 0, 0, 63, 0}, []byte{9}, true},
		{"one of three", []byte{1, 1, 0, 0, 63, 0}, ids, false},
		{"one twice", []byte{3, 1, 0, 2, 0x11, 2, 0x11, 0, 63, 0}, ids, false},
		{"twice in the frame", []byte{3, 1, 0, 1, 0x11, 1, 0x11, 0, 63, 0}, []byte{1, 1, 1}, false},
		{"cut off", []byte{3, 1, 0}, ids, false},
		{"empty", nil, ids, false},
	} {
		if got := wholeScan(test.header, test.ids); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}
