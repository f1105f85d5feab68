package datatest

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

// EncodePNG encodes an image as PNG.
func EncodePNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// EncodeJPEG encodes an image as JPEG with quality 100.
func EncodeJPEG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 100}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// WriteFile writes a file and makes the folders above it.
func WriteFile(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Filled makes an image of one colour.
func Filled[M interface {
	image.Image
	Set(x, y int, c color.Color)
}](m M, c color.Color) M {
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			m.Set(x, y, c)
		}
	}
	return m
}

// Scene makes a smooth coloured image with an edge.
func Scene(width, height int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := color.RGBA{uint8(x * 255 / width), uint8(y * 255 / height), uint8((x + y) % 200), 255}
			if x > 2*y {
				c.R, c.B = 255-c.R, 30
			}
			m.Set(x, y, c)
		}
	}
	return m
}

// WithOrientation adds an EXIF segment to a JPEG file.
func WithOrientation(jpeg []byte, o int) []byte {
	tiff := "MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01"
	exif := []byte("Exif\x00\x00" + tiff + "\x00\x00\x00\x00\x00\x00\x00\x00")
	exif[len(exif)-7] = byte(o)
	segment := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(exif)+2))
	return bytes.Join([][]byte{jpeg[:2], segment, exif, jpeg[2:]}, nil)
}

// PNGOf makes a small PNG file of one colour.
func PNGOf(t testing.TB, v uint8) []byte {
	return EncodePNG(t, Filled(image.NewRGBA(image.Rect(0, 0, 4, 3)), color.RGBA{v, 2 * v, 3, 255}))
}

// BlankWebP makes a lossless WebP image of one colour. Its codes have one symbol each, so a pixel
// takes no bits, and an image of any size takes the same 26 bytes.
func BlankWebP(width, height int) []byte {
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

// SameStrips makes a grey TIFF image whose strips share the same few bytes.
func SameStrips(width, height, rows int, strip []byte, compression, bits uint32) []byte {
	n := (height + rows - 1) / rows
	var b bytes.Buffer
	b.WriteString("II\x2a\x00")
	put := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) }
	at := uint32(8 + 2 + 8*12 + 4)
	put(uint32(8))
	put(uint16(8))
	for _, tag := range [][4]uint32{
		{256, 4, 1, uint32(width)}, {257, 4, 1, uint32(height)},
		{258, 3, 1, bits}, {259, 3, 1, compression}, {262, 3, 1, 1},
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

// GreyTIFF makes a TIFF file of 8-bit grey values with an orientation. kind is the type of the
// orientation tag: 3 or 8 for 16 bits, 4 or 9 for 32.
func GreyTIFF(order binary.AppendByteOrder, height, width, kind, o int, pix []byte) []byte {
	b := []byte("II")
	if order.AppendUint16(nil, 1)[1] == 1 {
		b = []byte("MM")
	}
	b = order.AppendUint32(order.AppendUint16(b, 42), uint32(8+len(pix)))
	b = append(b, pix...)
	tags := [][3]int{
		{256, 4, width},
		{257, 4, height},
		{258, 4, 8},
		{259, 4, 1},
		{262, 4, 1},
		{273, 4, 8},
		{274, kind, o},
		{277, 4, 1},
		{278, 4, height},
		{279, 4, len(pix)},
	}
	b = order.AppendUint16(b, uint16(len(tags)))
	for _, tag := range tags {
		b = order.AppendUint32(order.AppendUint16(order.AppendUint16(b, uint16(tag[0])), uint16(tag[1])), 1)
		if tag[1] == 3 || tag[1] == 8 {
			b = order.AppendUint16(order.AppendUint16(b, uint16(tag[2])), 0)
		} else {
			b = order.AppendUint32(b, uint32(tag[2]))
		}
	}
	return order.AppendUint32(b, 0)
}
