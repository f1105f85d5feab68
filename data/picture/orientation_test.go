package picture

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"fasternet/internal/datatest"
)

// Images are turned as Pillow's exif_transpose turns them, in all formats with an orientation, or
// stay as they are.
func TestOrientationIsPillows(t *testing.T) {
	g := datatest.Goldens(t, "pillow_formats.safetensors")
	n := 0
	for _, tensor := range g.Names() {
		name, ok := strings.CutPrefix(tensor, "upright/")
		if !ok {
			continue
		}
		n++
		t.Run(name, func(t *testing.T) {
			_, content := g.Get("file/" + name)
			exact := !strings.HasPrefix(name, "jpg")
			closeTo(t, decodedRGB(t, Decoding{}, content), datatest.GoldenImage[Image](g, tensor), exact)
			closeTo(
				t, decodedRGB(t, Decoding{IgnoreOrientation: true}, content),
				datatest.GoldenImage[Image](g, "rgb/"+name), exact,
			)
		})
	}
	if n < 11 {
		t.Errorf("%d images", n)
	}
}

// Damaged EXIF counts as none, and EXIF counts before XMP.
func TestOrientationSources(t *testing.T) {
	plain := datatest.EncodeJPEG(t, datatest.Scene(20, 10))
	xmp := func(text string) []byte {
		s := append([]byte(xmpPrefix), text...)
		return bytes.Join(
			[][]byte{plain[:2], binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(s)+2)), s, plain[2:]},
			nil,
		)
	}
	cut := datatest.WithOrientation(plain, 6)
	binary.BigEndian.PutUint32(cut[2+4+6+4:], 0xfffffff0) // where the directory is
	many := datatest.WithOrientation(plain, 6)
	binary.BigEndian.PutUint16(many[2+4+6+8:], 0xffff) // how many tags it has
	little := datatest.WithOrientation(plain, 1)
	copy(little[2+4+6:], "II\x2a\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x08\x00\x00\x00")
	for _, c := range []struct {
		name    string
		content []byte
		want    Orientation
	}{
		{"none", plain, 0},
		{"EXIF", datatest.WithOrientation(plain, 6), 6},
		{"little endian", little, 8},
		{"of 0", datatest.WithOrientation(plain, 0), 0},
		{"of 9", datatest.WithOrientation(plain, 9), 0},
		{"far away", cut, 0},
		{"too many tags", many, 6},
		{"XMP", xmp(`<rdf tiff:Orientation="3"/>`), 3},
		{"XMP element", xmp(`<tiff:Orientation>8</tiff:Orientation>`), 8},
		{"both", datatest.WithOrientation(xmp(`<rdf tiff:Orientation="3"/>`), 5), 5},
	} {
		if got := OrientationOf(c.content, "jpg"); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
