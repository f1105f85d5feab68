package data

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"testing"

	"fasternet/internal/hostile"
)

// No content makes the decoder panic, or take more memory than the pixels that it
// can hold: 1 to 8256 in a byte, of at most 32 bytes while they are decoded.
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
	f.Fuzz(func(t *testing.T, content []byte) {
		var m *Image
		var err error
		hostile.Bound(t, 1<<20+32*min(MaxPixels, 8256*len(content)), func() { m, err = Decode(content) })
		if err != nil {
			return
		}
		if m.Height < 1 || m.Width < 1 || m.Channels != 1 && m.Channels != 3 || len(m.Pix) != m.Height*m.Width*m.Channels {
			t.Errorf("%d×%d×%d with %d values", m.Height, m.Width, m.Channels, len(m.Pix))
		}
	})
}
