package picture

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"fasternet/internal/datatest"
)

func TestDecodeFormats(t *testing.T) {
	r := image.Rect(0, 0, 5, 3)
	orange := color.NRGBA{250, 130, 20, 255}
	transparent := color.NRGBA{250, 130, 20, 60}
	gradient := image.NewNRGBA(r)
	for i := range gradient.Pix {
		gradient.Pix[i] = uint8(i*5) | 1 // alpha never 0
	}
	rgb := func(c color.NRGBA) []uint8 { return []uint8{c.R, c.G, c.B} }
	for _, test := range []struct {
		name    string
		content []byte
		want    []uint8 // of each pixel
		within  int
	}{
		{"RGB PNG", datatest.EncodePNG(t, datatest.Filled(image.NewRGBA(r), orange)), rgb(orange), 0},
		{"RGBA PNG", datatest.EncodePNG(t, datatest.Filled(image.NewNRGBA(r), transparent)), rgb(transparent), 0},
		{
			"16-bit PNG",
			datatest.EncodePNG(
				t,
				datatest.Filled(image.NewNRGBA64(r), color.NRGBA64{0x1234, 0xabcd, 0x00ff, 0x8000}),
			),
			[]uint8{0x12, 0xab, 0}, 0,
		},
		{
			"16-bit opaque",
			datatest.EncodePNG(t, datatest.Filled(image.NewRGBA64(r), color.RGBA64{0x1234, 0xabcd, 0x00ff, 0xffff})),
			[]uint8{0x12, 0xab, 0}, 0,
		},
		{"grey PNG", datatest.EncodePNG(t, datatest.Filled(image.NewGray(r), color.Gray{77})), []uint8{77}, 0},
		{
			"16-bit grey PNG",
			datatest.EncodePNG(t, datatest.Filled(image.NewGray16(r), color.Gray16{0x4dff})),
			[]uint8{0x4d}, 0,
		},
		{
			"16-bit dark PNG",
			datatest.EncodePNG(t, datatest.Filled(image.NewGray16(r), color.Gray16{0x00fe})),
			[]uint8{0}, 0,
		},
		{
			"16-bit bright PNG",
			datatest.EncodePNG(t, datatest.Filled(image.NewGray16(r), color.Gray16{0xffff})),
			[]uint8{0xff}, 0,
		},
		{
			"palette PNG",
			datatest.EncodePNG(t, datatest.Filled(image.NewPaletted(r, color.Palette{color.Black, orange}), orange)),
			rgb(orange), 0,
		},
		{
			"palette PNG with alpha",
			datatest.EncodePNG(
				t,
				datatest.Filled(image.NewPaletted(r, color.Palette{transparent, orange}), transparent),
			),
			rgb(transparent), 0,
		},
		{"RGB JPEG", datatest.EncodeJPEG(t, datatest.Filled(image.NewRGBA(r), orange)), rgb(orange), 3},
		{"grey JPEG", datatest.EncodeJPEG(t, datatest.Filled(image.NewGray(r), color.Gray{77})), []uint8{77}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, err := Decode(test.content)
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
				return
			}
			if err := m.Check(); err != nil || m.Height != 3 || m.Width != 5 || m.Channels != len(test.want) {
				t.Errorf("%s: %d×%d×%d, %v", test.name, m.Height, m.Width, m.Channels, err)
				return
			}
			for i, v := range m.Pix {
				if d := int(v) - int(test.want[i%len(test.want)]); d < -test.within || d > test.within {
					t.Errorf("%s: value %d is %d, want %v", test.name, i, v, test.want)
					break
				}
			}
		})
	}
	m, err := Decode(datatest.EncodePNG(t, gradient))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 15 {
		if !bytes.Equal(m.Pix[3*i:3*i+3], gradient.Pix[4*i:4*i+3]) {
			t.Fatalf("pixel %d is %v, want %v", i, m.Pix[3*i:3*i+3], gradient.Pix[4*i:])
		}
	}
}

// The standard library cannot write CMYK JPEG, so this tests only the conversion, without the
// decoder.
func TestDecodeCMYK(t *testing.T) {
	src := datatest.Filled(image.NewCMYK(image.Rect(0, 0, 2, 2)), color.CMYK{0, 128, 255, 51})
	m := fromStandard(src, Decoding{})
	if want := []uint8{204, 102, 0}; m.Channels != 3 || !bytes.Equal(m.Pix[:3], want) {
		t.Errorf("%v, want %v", m.Pix[:3], want)
	}
}

// hugePNG returns a PNG header with the given size.
func hugePNG(t *testing.T, width, height uint32) []byte {
	t.Helper()
	b := datatest.EncodePNG(t, image.NewGray(image.Rect(0, 0, 1, 1)))
	binary.BigEndian.PutUint32(b[16:], width)
	binary.BigEndian.PutUint32(b[20:], height)
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
	return b
}

func TestDecodeErrors(t *testing.T) {
	noise := image.NewGray(image.Rect(0, 0, 64, 64))
	for i := range noise.Pix {
		noise.Pix[i] = uint8(i * i * 7)
	}
	pngFile, jpegFile := datatest.EncodePNG(t, noise), datatest.EncodeJPEG(t, noise)
	corrupt := bytes.Clone(pngFile)
	corrupt[len(corrupt)/2] ^= 0xff
	for _, test := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"empty", nil, "the file is empty"},
		{"text", []byte("<html>not found</html>"), "an HTML page"},
		{"zeros", make([]byte, 600), "neither a JPEG nor a PNG"},
		{"PNG header", pngFile[:20], "truncated"},
		{"JPEG header", jpegFile[:20], "truncated"},
		{"half a PNG", pngFile[:len(pngFile)/2], "not enough pixel data"},
		{"half a JPEG", jpegFile[:len(jpegFile)/2], "truncated"},
		{"corrupt PNG", corrupt, "invalid"},
		{"huge", hugePNG(t, 1<<16, 1<<16), "65536×65536 pixels exceed the limit of 178956970 pixels"},
		{"just over", hugePNG(t, MaxPixels+1, 1), "exceed the limit"},
		{"no pixels at all", hugePNG(t, 0, 5), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Decode(test.content)
			if err == nil {
				t.Errorf("%s: no error", test.name)
				return
			}
			datatest.WantError(t, err, test.want)
		})
	}
}

func TestReadImageNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "broken.jpg")
	_, err := ReadImage(path)
	datatest.WantError(t, err, path)
	datatest.WriteFile(t, path, []byte("x"))
	_, err = ReadImage(path)
	datatest.WantError(t, err, "data: "+path+": a text file, not an image")
}

// A header that promises more pixels than the content can hold is refused before memory is
// allocated. An image that compresses well is accepted.
func TestDecodePromises(t *testing.T) {
	twoColours := color.Palette{color.Black, color.White}
	content := datatest.EncodePNG(t, image.NewPaletted(image.Rect(0, 0, 4000, 4000), twoColours))
	if m, err := Decode(content); err != nil || m.Width != 4000 {
		t.Errorf("an image of one colour in %d bytes: %v", len(content), err)
	}
	content = content[:100]
	binary.BigEndian.PutUint32(content[16:], 13000)
	binary.BigEndian.PutUint32(content[20:], 13000)
	binary.BigEndian.PutUint32(content[29:], crc32.ChecksumIEEE(content[12:29]))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Decode(content)
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "truncated") {
		t.Errorf("13000×13000 pixels in 100 bytes: %v", err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}
