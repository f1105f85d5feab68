package data

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/internal/rng"
)

// withOrientation puts an EXIF segment into a JPEG file.
func withOrientation(jpeg []byte, o int) []byte {
	exif := []byte(exifPrefix + "MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00")
	exif[len(exif)-7] = byte(o)
	segment := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(exif)+2))
	return bytes.Join([][]byte{jpeg[:2], segment, exif, jpeg[2:]}, nil)
}

// Images are turned as Pillow's exif_transpose turns them, in all formats that say so,
// or stay as they are.
func TestOrientationIsPillows(t *testing.T) {
	g := goldenSafetensors(t, "pillow_formats.safetensors")
	n := 0
	for _, tensor := range g.Names() {
		name, ok := strings.CutPrefix(tensor, "upright/")
		if !ok {
			continue
		}
		n++
		t.Run(name, func(t *testing.T) {
			_, content := g.get("file/" + name)
			exact := !strings.HasPrefix(name, "jpg")
			closeTo(t, decodedRGB(t, Decoding{}, content), g.image(tensor), exact)
			closeTo(t, decodedRGB(t, Decoding{IgnoreOrientation: true}, content), g.image("rgb/"+name), exact)
		})
	}
	if n < 11 {
		t.Errorf("%d images", n)
	}
}

// A loader, which decodes only a part of a file, crops and flips the upright image.
func TestOrientationOfParts(t *testing.T) {
	dir := t.TempDir()
	plain := encodeJPEG(t, scene(123, 77))
	grey := encodeJPEG(t, image.NewGray(image.Rect(0, 0, 60, 41)))
	for o := 0; o <= 9; o++ {
		for k, content := range [][]byte{plain, grey} {
			path := filepath.Join(dir, fmt.Sprintf("%d-%d.jpg", o, k))
			writeFile(t, path, withOrientation(content, o))
			for _, how := range []Decoding{{}, {IgnoreOrientation: true}} {
				ds := Files{path}.As(how)
				whole, err := ds.Image(0)
				if err != nil {
					t.Fatal(err)
				}
				if tall := whole.Height > whole.Width; tall != (!how.IgnoreOrientation && 5 <= o && o <= 8) {
					t.Errorf("orientation %d, %+v: %d×%d pixels", o, how, whole.Height, whole.Width)
				}
				for _, tr := range []Transform{trainTransform(40, 3), evalTransform(48, 3), evalTransform(400, 1), trainTransform(32, 3)} {
					h, w, c := tr.OutputShape()
					want := make([]float32, h*w*c)
					if err := tr.Apply(whole, viewRand(5, 1, 0, 0), want); err != nil {
						t.Fatal(err)
					}
					got, err := View(ds, tr, 5, 1, 0)
					if err != nil {
						t.Fatal(err)
					}
					near(t, fmt.Sprintf("orientation %d, %+v, %T", o, how, tr), got, want, 0)
				}
			}
		}
	}
}

// Decoding at a smaller scale has the same part of an image that is turned.
func TestOrientationOfScaledParts(t *testing.T) {
	plain := encodeJPEG(t, scene(1403, 1001))
	for o := 1; o <= 8; o++ {
		content := withOrientation(plain, o)
		h, err := parseJPEG(content)
		if err != nil || int(h.orientation) != o {
			t.Fatalf("%+v, %v", h, err)
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

// Damaged EXIF is none, and EXIF counts before XMP.
func TestOrientationSources(t *testing.T) {
	plain := encodeJPEG(t, scene(20, 10))
	xmp := func(text string) []byte {
		s := append([]byte(xmpPrefix), text...)
		return bytes.Join([][]byte{plain[:2], binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(s)+2)), s, plain[2:]}, nil)
	}
	cut := withOrientation(plain, 6)
	binary.BigEndian.PutUint32(cut[2+4+6+4:], 0xfffffff0) // where the directory is
	many := withOrientation(plain, 6)
	binary.BigEndian.PutUint16(many[2+4+6+8:], 0xffff) // how many tags it has
	little := withOrientation(plain, 1)
	copy(little[2+4+6:], "II\x2a\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x08\x00\x00\x00")
	for _, c := range []struct {
		name    string
		content []byte
		want    orientation
	}{
		{"none", plain, 0},
		{"EXIF", withOrientation(plain, 6), 6},
		{"little endian", little, 8},
		{"of 0", withOrientation(plain, 0), 0},
		{"of 9", withOrientation(plain, 9), 0},
		{"far away", cut, 0},
		{"too many tags", many, 6},
		{"XMP", xmp(`<rdf tiff:Orientation="3"/>`), 3},
		{"XMP element", xmp(`<tiff:Orientation>8</tiff:Orientation>`), 8},
		{"both", withOrientation(xmp(`<rdf tiff:Orientation="3"/>`), 5), 5},
	} {
		if got := orientationOf(c.content, "jpg"); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
