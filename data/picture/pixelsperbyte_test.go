package picture

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"strings"
	"testing"

	"fasternet/internal/datatest"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// No format allocates memory for more pixels than a file of its size can reasonably have.
func TestPixelsPerByte(t *testing.T) {
	white := bytes.Repeat([]byte{0}, 64) // PackBits: a literal of one byte each
	for _, c := range []struct {
		name    string
		content []byte
	}{
		{"WebP, lossless", datatest.BlankWebP(12000, 12000)},
		{"WebP, wide", datatest.BlankWebP(16383, 400)},
		{"TIFF, strips in one place", datatest.SameStrips(10000, 13000, 13000, white, 32773, 8)},
		{"TIFF, fax", datatest.SameStrips(13000, 13000, 13000, bytes.Repeat([]byte{0xff}, 1700), 4, 1)},
		{"TIFF, plain", datatest.SameStrips(13000, 13000, 13000, white, 1, 8)},
		{"BMP", hugeBMP(t, 13000, 13000)},
		{"PNG", hugePNG(t, 13000, 13000)},
	} {
		var err error
		if n := datatest.AllocatedBy(func() { _, err = Decode(c.content) }); n > 1<<20 {
			t.Errorf("%s: %d bytes were allocated", c.name, n)
		}
		if err == nil || !strings.Contains(err.Error(), "decompression bomb") {
			t.Errorf("%s of %d bytes: %v", c.name, len(c.content), err)
		}
	}
}

// Blank images of usual sizes are not bombs.
func TestBlankImages(t *testing.T) {
	t.Parallel()
	var packed, plain bytes.Buffer
	white := datatest.Filled(image.NewGray(image.Rect(0, 0, 1500, 1000)), color.Gray{255})
	if err := tiff.Encode(&packed, white, &tiff.Options{Compression: tiff.Deflate}); err != nil {
		t.Fatal(err)
	}
	if err := bmp.Encode(&plain, white); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name          string
		content       []byte
		width, height int
	}{
		{"WebP", datatest.BlankWebP(2000, 1500), 2000, 1500},
		{"TIFF, Deflate", packed.Bytes(), 1500, 1000},
		{"TIFF, fax", datatest.SameStrips(1600, 1600, 1600, bytes.Repeat([]byte{0xff}, 200), 4, 1), 1600, 1600},
		{
			"TIFF, fax at 600 dpi",
			datatest.SameStrips(4960, 7016, 7016, bytes.Repeat([]byte{0xff}, 3000), 4, 1),
			4960, 7016,
		},
		{"BMP", plain.Bytes(), 1500, 1000},
	} {
		m, err := Decode(c.content)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if m.Width != c.width || m.Height != c.height {
			t.Errorf("%s: %d×%d pixels", c.name, m.Height, m.Width)
		}
	}
}

func hugeBMP(t *testing.T, width, height uint32) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := bmp.Encode(&b, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		t.Fatal(err)
	}
	binary.LittleEndian.PutUint32(b.Bytes()[18:], width)
	binary.LittleEndian.PutUint32(b.Bytes()[22:], height)
	return b.Bytes()
}

// Every format has a limit of pixels for each byte.
func TestRooms(t *testing.T) {
	starts := []string{
		"\xff\xd8", "\x89PNG\r\n\x1a\n", "RIFF\x00\x00\x00\x00WEBP", "BM" + strings.Repeat("\x00", 16),
		"II\x2a\x00", "MM\x00\x2a", "GIF89a", "P1 2", "P5\n#",
	}
	for _, start := range starts {
		format := Format([]byte(start))
		if r, ok := rooms[format]; !ok || r.perByte < 1 {
			t.Errorf("%q is taken for %q, which has no limit", start, format)
		}
	}
	if err := checkRoom("new", 1, 1, 1); err == nil {
		t.Error("a format without a limit is decoded")
	}
}
