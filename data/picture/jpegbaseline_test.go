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
func sceneJPEG(t testing.TB, height, width int, o jpegn.EncodeOptions, grey bool) []byte {
	t.Helper()
	scene, noise := datatest.Scene(width, height), rng.New(1, rng.Bench)
	for i, v := range scene.Pix {
		if y := i / scene.Stride; i%4 != 3 && y%24 >= 8 { // the rest stays smooth
			scene.Pix[i] = uint8(min(max(int(v)+noise.IntN(61)-30, 0), 255))
		}
	}
	var src image.Image = scene
	if grey {
		g := image.NewGray(scene.Bounds())
		for y := range height {
			for x := range width {
				g.Set(x, y, scene.At(x, y))
			}
		}
		src = g
	}
	var file bytes.Buffer
	if err := jpegn.Encode(&file, src, &o); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// byLibrary is the part of a file in box that the library decodes, from the whole image.
func byLibrary(content []byte, h jpegHeader, box Box, channels int) (*Image, error) {
	src, err := jpegn.Decode(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	if b := src.Bounds(); b.Dx() != h.width || b.Dy() != h.height {
		return nil, fmt.Errorf("%v", b)
	}
	m := new(Image)
	new(jpegDecoder).convert(m, src, box, h, channels)
	return m, nil
}

func randomBox(r *rand.Rand, h jpegHeader) Box {
	box := Box{Top: r.IntN(h.height), Left: r.IntN(h.width)}
	box.Height, box.Width = 1+r.IntN(h.height-box.Top), 1+r.IntN(h.width-box.Left)
	return box
}

// Our decoder knows files of every usual form, and makes the pixels of any part of them that the
// library makes.
func TestBaselineIsTheLibrary(t *testing.T) {
	r := rng.New(2, rng.Bench)
	var d jpegDecoder // keeps tables and memory from file to file
	for _, size := range [][2]int{{1, 1}, {8, 8}, {5, 31}, {33, 16}, {77, 123}, {375, 500}} {
		for _, form := range []struct {
			name     string
			sampling jpegn.Subsampling
			grey     bool
		}{{"4:4:4", jpegn.Subsample444, false}, {"4:2:2", jpegn.Subsample422, false}, {"4:2:0", jpegn.Subsample420, false},
			{"4:4:0", jpegn.Subsample440, false}, {"grey", jpegn.SubsampleGray, true}} {
			for _, o := range []jpegn.EncodeOptions{{Quality: 93}, {Quality: 100, OptimizeCoding: true}, {Quality: 10, RestartInterval: 1}, {Quality: 60, OptimizeCoding: true, RestartInterval: 7}} {
				o.Subsampling = form.sampling
				t.Run(fmt.Sprintf("%d×%d %s quality %d restart %d", size[0], size[1], form.name, o.Quality, o.RestartInterval), func(t *testing.T) {
					content := sceneJPEG(t, size[0], size[1], o, form.grey)
					h, err := parseJPEG(content)
					if err != nil || !h.fast {
						t.Fatalf("%+v, %v", h, err)
					}
					for i := range 4 {
						box := Box{0, 0, h.height, h.width}
						if i > 0 {
							box = randomBox(r, h)
						}
						if _, _, ok := d.own.decode(content, h, box); !ok {
							t.Fatal("it is left to the library")
						}
						for _, channels := range []int{1, 3} {
							var got Image
							if err := d.decode(&got, content, h, box, channels); err != nil {
								t.Fatal(err)
							}
							want, err := byLibrary(content, h, box, channels)
							if err != nil {
								t.Fatal(err)
							}
							datatest.SameImage(t, fmt.Sprint(box, channels), &got, want)
						}
					}
				})
			}
		}
	}
}

// What is damaged is left to the library, or is decoded as the library does it: what is wrong with
// a file does not depend on which part of it is needed.
func TestBaselineOfDamagedFiles(t *testing.T) {
	r := rng.New(3, rng.Bench)
	var own, left int
	var d jpegDecoder
	for _, o := range []jpegn.EncodeOptions{{Quality: 90}, {Quality: 90, OptimizeCoding: true}, {Quality: 75, RestartInterval: 3}} {
		file := sceneJPEG(t, 60, 90, o, false)
		for range 1500 {
			content := bytes.Clone(file)
			switch r.IntN(3) {
			case 0: // a byte is another
				content[2+r.IntN(len(content)-2)] = byte(r.Uint32())
			case 1: // a bit
				content[2+r.IntN(len(content)-2)] ^= 1 << r.IntN(8)
			default: // some are gone
				at, n := 2+r.IntN(len(content)-20), 1+r.IntN(12)
				content = append(content[:at], content[at+n:]...)
			}
			h, err := parseJPEG(content)
			if err != nil || !h.fast || checkSize(h.height, h.width) != nil {
				continue
			}
			box := randomBox(r, h)
			if _, _, ok := d.own.decode(content, h, box); !ok {
				left++
				continue
			}
			own++
			var got Image
			if err := d.decode(&got, content, h, box, h.channels); err != nil {
				t.Fatal(err)
			}
			want, err := byLibrary(content, h, box, h.channels)
			if err != nil {
				t.Fatalf("the library says %v", err)
			}
			datatest.SameImage(t, fmt.Sprint(box), &got, want)
		}
	}
	if own < 100 || left < 100 {
		t.Errorf("%d files were decoded and %d left to the library: want both", own, left)
	}
}

// A progressive file, two scans, and whatever follows the image.
func TestBaselineLeavesTheRest(t *testing.T) {
	plain := sceneJPEG(t, 40, 50, jpegn.EncodeOptions{Quality: 80}, false)
	progressive := sceneJPEG(t, 40, 50, jpegn.EncodeOptions{Quality: 80, Progressive: true}, false)
	for _, test := range []struct {
		name    string
		content []byte
		own     bool
	}{{"sequential", plain, true}, {"followed by other bytes", append(bytes.Clone(plain), 1, 2, 0xff, 0xd9), true}, {"progressive", progressive, false}} {
		h, err := parseJPEG(test.content)
		if err != nil {
			t.Fatal(err)
		}
		box := Box{3, 4, 30, 40}
		var d jpegDecoder
		if _, _, ok := d.own.decode(test.content, h, box); ok != test.own {
			t.Errorf("%s: decoded: %v, want %v", test.name, ok, test.own)
		}
		var got Image
		if err := d.decode(&got, test.content, h, box, 3); err != nil {
			t.Fatal(err)
		}
		want, err := byLibrary(test.content, h, box, 3)
		if err != nil {
			t.Fatal(err)
		}
		datatest.SameImage(t, test.name, &got, want)
	}
}

// The part of a photograph that a crop needs.
func BenchmarkBaseline(b *testing.B) {
	content := sceneJPEG(b, 375, 500, jpegn.EncodeOptions{Quality: 93, Subsampling: jpegn.Subsample420}, false)
	h, err := parseJPEG(content)
	if err != nil {
		b.Fatal(err)
	}
	for _, box := range []Box{{0, 0, 375, 500}, {80, 100, 200, 250}} {
		b.Run(fmt.Sprintf("%d×%d", box.Height, box.Width), func(b *testing.B) {
			var d jpegDecoder
			var m Image
			b.SetBytes(int64(len(content)))
			for range b.N {
				if err := d.decode(&m, content, h, box, 3); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
