package data

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// blankWebP is a lossless WebP image of one colour: its codes have one symbol each, so
// that a pixel takes no bits, and every size the same 26 bytes.
func blankWebP(width, height int) []byte {
	// Signature; width, height and alpha, 14, 14 and 1 bits; version 0 (3 bits); no
	// transform, no cache, no meta codes (3 bits of 0); five codes of one symbol.
	var bits []bool
	put := func(v, n int) {
		for i := range n {
			bits = append(bits, v>>i&1 == 1)
		}
	}
	put(0x2f, 8)
	put(width-1, 14)
	put(height-1, 14)
	put(0, 1+3+1+1+1)
	for range 5 {
		put(1, 1) // a simple code
		put(0, 1) // of one symbol
		put(0, 1) // that has one bit,
		put(0, 1) // a 0
	}
	chunk := make([]byte, (len(bits)+7)/8+1)
	for i, b := range bits {
		if b {
			chunk[i/8] |= 1 << (i % 8)
		}
	}
	if len(chunk)%2 == 1 {
		chunk = append(chunk, 0)
	}
	out := append([]byte("RIFF\x00\x00\x00\x00WEBPVP8L\x00\x00\x00\x00"), chunk...)
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	binary.LittleEndian.PutUint32(out[16:], uint32(len(chunk)))
	return out
}

// sameStrips is a grey TIFF image whose strips all lie in the same few bytes.
func sameStrips(width, height, rows int, strip []byte, compression, bits uint32) []byte {
	n := (height + rows - 1) / rows
	var b bytes.Buffer
	b.WriteString("II\x2a\x00")
	put := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) }
	at := uint32(8 + 2 + 8*12 + 4)
	put(uint32(8))
	put(uint16(8))
	for _, tag := range [][4]uint32{
		{256, 4, 1, uint32(width)}, {257, 4, 1, uint32(height)}, {258, 3, 1, bits}, {259, 3, 1, compression}, {262, 3, 1, 1},
		{273, 4, uint32(n), at}, {278, 4, 1, uint32(rows)}, {279, 4, uint32(n), at + 4*uint32(n)},
	} {
		put(uint16(tag[0]))
		put(uint16(tag[1]))
		put(tag[2])
		if n == 1 && tag[0] == 273 {
			tag[3] = at + 8
		}
		if n == 1 && tag[0] == 279 {
			tag[3] = uint32(len(strip))
		}
		put(tag[3])
	}
	put(uint32(0))
	for range n {
		put(at + 8*uint32(n))
	}
	for range n {
		put(uint32(len(strip)))
	}
	b.Write(strip)
	return b.Bytes()
}

// allocatedBy is how many bytes f allocates.
func allocatedBy(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// No format takes memory for more pixels than a file of its size can be meant to have.
func TestPixelsPerByte(t *testing.T) {
	white := bytes.Repeat([]byte{0}, 64) // PackBits: a literal of one byte each
	for _, c := range []struct {
		name    string
		content []byte
	}{
		{"WebP, lossless", blankWebP(12000, 12000)},
		{"WebP, wide", blankWebP(16383, 400)},
		{"TIFF, strips in one place", sameStrips(10000, 13000, 13000, white, 32773, 8)},
		{"TIFF, fax", sameStrips(13000, 13000, 13000, bytes.Repeat([]byte{0xff}, 1700), 4, 1)},
		{"TIFF, plain", sameStrips(13000, 13000, 13000, white, 1, 8)},
		{"BMP", hugeBMP(t, 13000, 13000)},
		{"PNG", hugePNG(t, 13000, 13000)},
	} {
		var err error
		if n := allocatedBy(func() { _, err = Decode(c.content) }); n > 1<<20 {
			t.Errorf("%s: %d bytes were allocated", c.name, n)
		}
		if err == nil || !strings.Contains(err.Error(), "decompression bomb") {
			t.Errorf("%s of %d bytes: %v", c.name, len(c.content), err)
		}
	}
}

// Blank images of usual sizes are no bombs.
func TestBlankImages(t *testing.T) {
	var packed, plain bytes.Buffer
	white := filled(image.NewGray(image.Rect(0, 0, 1500, 1000)), color.Gray{255})
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
		{"WebP", blankWebP(2000, 1500), 2000, 1500},
		{"TIFF, Deflate", packed.Bytes(), 1500, 1000},
		{"TIFF, fax", sameStrips(1600, 1600, 1600, bytes.Repeat([]byte{0xff}, 200), 4, 1), 1600, 1600},
		{"TIFF, fax at 600 dpi", sameStrips(4960, 7016, 7016, bytes.Repeat([]byte{0xff}, 3000), 4, 1), 4960, 7016},
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

// Every format that is decoded has a limit.
func TestRooms(t *testing.T) {
	for _, start := range []string{"\xff\xd8", "\x89PNG\r\n\x1a\n", "RIFF\x00\x00\x00\x00WEBP", "BM" + strings.Repeat("\x00", 16), "II\x2a\x00", "MM\x00\x2a", "GIF89a", "P1 2", "P5\n#"} {
		format := sniff([]byte(start))
		if r, ok := rooms[format]; !ok || r.perByte < 1 {
			t.Errorf("%q is taken for %q, which has no limit", start, format)
		}
	}
	if err := checkRoom("new", 1, 1, 1); err == nil {
		t.Error("a format without a limit is decoded")
	}
}
