package picture

import (
	"image"
	"image/color"
	"image/draw"
)

// fromStandard converts an image from a decoder of the standard library.
func fromStandard(src image.Image, how Decoding) *Image {
	m := new(Image)
	how.fill(m, src)
	return m
}

// fill makes m the pixels of an image. It reuses the memory of m.
func (how Decoding) fill(m *Image, src image.Image) {
	b := src.Bounds()
	channels := 3
	switch src.(type) {
	case *image.Gray, *image.Gray16:
		channels = 1
	}
	m.Reshape(b.Dy(), b.Dx(), channels)
	switch src := src.(type) {
	case *image.Gray:
		for y := range m.Height {
			copy(m.Row(y, 0, m.Width), src.Pix[y*src.Stride:])
		}
	case *image.Gray16:
		pickBytes(m, src.Pix, src.Stride, 2, 0)
		if how.Clip16Bit {
			clipped(m, src)
		}
	case *image.RGBA:
		pickBytes(m, src.Pix, src.Stride, 4, 0, 1, 2)
	case *image.NRGBA:
		pickBytes(m, src.Pix, src.Stride, 4, 0, 1, 2)
	case *image.RGBA64:
		pickBytes(m, src.Pix, src.Stride, 8, 0, 2, 4)
	case *image.NRGBA64:
		pickBytes(m, src.Pix, src.Stride, 8, 0, 2, 4)
	case *image.CMYK:
		fromCMYK(m, src)
	case *image.Paletted:
		var palette [256][3]uint8
		for i, c := range src.Palette {
			n := color.NRGBAModel.Convert(c).(color.NRGBA)
			palette[i] = [3]uint8{n.R, n.G, n.B}
		}
		for y := range m.Height {
			row := m.Row(y, 0, m.Width)
			for x, i := range src.Pix[y*src.Stride:][:m.Width] {
				copy(row[3*x:], palette[i][:])
			}
		}
	default: // types for which draw has fast paths, or that are rare
		rgba := image.NewRGBA(b)
		draw.Draw(rgba, b, src, b.Min, draw.Src)
		pickBytes(m, rgba.Pix, rgba.Stride, 4, 0, 1, 2)
	}
}

// clipped takes the low bytes of 16-bit values, and 255 for values above 255.
func clipped(m *Image, src *image.Gray16) {
	for y := range m.Height {
		row := m.Row(y, 0, m.Width)
		for x := range row {
			row[x] = src.Pix[y*src.Stride+2*x+1]
			if src.Pix[y*src.Stride+2*x] != 0 {
				row[x] = 255
			}
		}
	}
}

// fromCMYK multiplies the inks out, with Pillow's arithmetic.
func fromCMYK(m *Image, src *image.CMYK) {
	for y := range m.Height {
		in, out := src.Pix[y*src.Stride:][:4*m.Width], m.Row(y, 0, m.Width)
		for len(in) >= 4 {
			white := 255 - int(in[3])
			for c := range 3 {
				t := int(in[c])*white + 128
				out[c] = uint8(white - (t>>8+t)>>8)
			}
			in, out = in[4:], out[3:]
		}
	}
}

// pickBytes fills m from pixels of size bytes each. For channel c it takes the byte at
// offsets[c], which is the high byte of a big-endian 16-bit value.
func pickBytes(m *Image, pix []uint8, stride, size int, offsets ...int) {
	for y := range m.Height {
		src := pix[y*stride:][:m.Width*size]
		dst := m.Row(y, 0, m.Width)
		for c, offset := range offsets {
			for i, j := c, offset; j < len(src); i, j = i+m.Channels, j+size {
				dst[i] = src[j]
			}
		}
	}
}

// standard returns the image as an image of the standard library. A grey one shares its
// memory.
func (m *Image) standard() image.Image {
	r := image.Rect(0, 0, m.Width, m.Height)
	if m.Channels == 1 {
		return &image.Gray{Pix: m.Pix, Stride: m.Width, Rect: r}
	}
	out := image.NewRGBA(r)
	for i, j := 0, 0; i < len(m.Pix); i, j = i+3, j+4 {
		copy(out.Pix[j:j+3], m.Pix[i:i+3])
		out.Pix[j+3] = 255
	}
	return out
}
