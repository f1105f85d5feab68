package picture

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"fasternet/internal/datatest"
	"fasternet/internal/hostile"
)

// No content makes the decoder panic, or take more memory than its pixels may: 1 to 8256 pixels
// for each byte, and at most 32 bytes of memory for a pixel.
func FuzzDecode(f *testing.F) {
	grey, colours := image.NewGray(image.Rect(0, 0, 9, 5)), image.NewNRGBA(image.Rect(0, 0, 17, 20))
	for i := range colours.Pix {
		colours.Pix[i] = byte(i * i)
	}
	palette := image.NewPaletted(image.Rect(0, 0, 3, 3), color.Palette{color.Black, color.White})
	for _, m := range []image.Image{grey, colours, palette} {
		var p, j bytes.Buffer
		if err := png.Encode(&p, m); err != nil {
			f.Fatal(err)
		}
		if err := jpeg.Encode(&j, m, nil); err != nil {
			f.Fatal(err)
		}
		f.Add(p.Bytes())
		f.Add(j.Bytes())
	}
	g := datatest.Goldens(f, "pillow_formats.safetensors")
	for _, name := range g.Names() {
		if strings.HasPrefix(name, "file/") {
			_, content := g.Get(name)
			f.Add(content)
		}
	}
	f.Add(datatest.BlankWebP(40, 30))
	f.Add(datatest.SameStrips(40, 30, 10, []byte{0xd9, 0}, 32773, 8)) // a row of zeros, too few of them
	f.Add(datatest.SameStrips(40, 30, 30, []byte{0xff, 0xff, 0xff, 0xff}, 4, 1))
	f.Fuzz(func(t *testing.T, content []byte) {
		var m *Image
		var err error
		r := rooms[Format(content)]
		hostile.Bound(t, 1<<20+32*min(MaxPixels, r.free+r.perByte*len(content)), func() { m, err = Decode(content) })
		if err != nil {
			return
		}
		if m.Height < 1 || m.Width < 1 || m.Channels != 1 && m.Channels != 3 ||
			len(m.Pix) != m.Height*m.Width*m.Channels {
			t.Errorf("%d×%d×%d with %d values", m.Height, m.Width, m.Channels, len(m.Pix))
		}
	})
}
