package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"testing"

	"fasternet/internal/datatest"
)

// pngChunk returns a chunk of a PNG file.
func pngChunk(kind string, b []byte) []byte {
	chunk := append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), kind...)
	chunk = append(chunk, b...)
	return binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
}

func zlibbed(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// EXIF and XMP in a PNG file are found in all forms that Pillow reads.
func TestOrientationInPNGTexts(t *testing.T) {
	exif := func(o byte) []byte {
		b := []byte("II\x2a\x00\x08\x00\x00\x00\x01\x00" +
			"\x12\x01\x03\x00\x01\x00\x00\x00\x00\x00\x00\x00" +
			"\x00\x00\x00\x00")
		b[18] = o
		return b
	}
	raw := func(o byte) []byte {
		digits := hex.EncodeToString(append([]byte(exifPrefix), exif(o)...))
		return fmt.Appendf(nil, "\nexif\n%8d\n%s\n%s\n", len(digits)/2, digits[:36], digits[36:])
	}
	const xmp = `<rdf:Description tiff:Orientation="6"/>`
	join := func(parts ...any) []byte {
		var b []byte
		for _, p := range parts {
			b = fmt.Append(b, fmt.Sprintf("%s", p))
		}
		return b
	}
	plain := datatest.PNGOf(t, 7)
	for _, c := range []struct {
		name   string
		chunks []byte
		want   Orientation
	}{
		{"nothing", nil, 0},
		{"chunk", pngChunk("eXIf", exif(6)), 6},
		{"raw profile", pngChunk("tEXt", join(rawEXIF, "\x00", raw(6))), 6},
		{"raw profile, packed", pngChunk("zTXt", join(rawEXIF, "\x00\x00", zlibbed(t, raw(8)))), 8},
		{
			"chunk before raw profile",
			append(pngChunk("eXIf", exif(3)), pngChunk("tEXt", join(rawEXIF, "\x00", raw(6)))...),
			3,
		},
		{"raw profile, cut", pngChunk("zTXt", join(rawEXIF, "\x00\x00", zlibbed(t, raw(8))[:5])), 0},
		{"raw profile of nothing", pngChunk("zTXt", []byte(rawEXIF+"\x00")), 0},
		{"XMP", pngChunk("iTXt", join("XML:com.adobe.xmp", "\x00\x00\x00\x00\x00", xmp)), 6},
		{
			"XMP, packed",
			pngChunk("iTXt", join("XML:com.adobe.xmp", "\x00\x01\x00\x00\x00", zlibbed(t, []byte(xmp)))),
			6,
		},
		{"XMP in a language", pngChunk("iTXt", join("XML:com.adobe.xmp", "\x00\x00\x00en\x00name\x00", xmp)), 6},
		{"XMP, cut", pngChunk("iTXt", []byte("XML:com.adobe.xmp\x00\x01\x00")), 0},
		{"another text", pngChunk("tEXt", []byte("Comment\x00"+xmp)), 0},
	} {
		content := bytes.Join([][]byte{plain[:33], c.chunks, plain[33:]}, nil)
		if got := OrientationOf(content, "png"); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
		if _, err := Decode(content); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A grey image of 16 bits with a transparent value is decoded like any other grey image.
func TestClearGrey16(t *testing.T) {
	rows := zlibbed(t, []byte("\x00\x00\x05\x01\x02\xff\x00"))
	header := []byte("\x00\x00\x00\x03\x00\x00\x00\x01\x10\x00\x00\x00\x00")
	content := bytes.Join(
		[][]byte{
			[]byte("\x89PNG\r\n\x1a\n"), pngChunk("IHDR", header), pngChunk("tRNS", []byte{0, 5}),
			pngChunk("IDAT", rows), pngChunk("IEND", nil),
		},
		nil,
	)
	for _, c := range []struct {
		how  Decoding
		want []byte
	}{
		{Decoding{}, []byte{0, 1, 255}},
		{Decoding{Clip16Bit: true}, []byte{5, 255, 255}},
	} {
		m, err := c.how.Decode(content)
		if err != nil {
			t.Fatal(err)
		}
		if m.Channels != 1 || !bytes.Equal(m.Pix, c.want) {
			t.Errorf("%+v: %d channels, %v, want %v", c.how, m.Channels, m.Pix, c.want)
		}
	}
}
