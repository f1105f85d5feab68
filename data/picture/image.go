package picture

import "fmt"

// Image is an 8-bit image, row-major with interleaved channels: the value of
// channel c at row y and column x is Pix[(y*Width+x)*Channels+c].
type Image struct {
	Pix           []uint8 // Height·Width·Channels values
	Height, Width int     // in pixels, at least 1
	Channels      int     // 1 (grey) or 3 (RGB)
}

// NewImage returns a black image. The sizes must be positive.
func NewImage(height, width, channels int) *Image {
	return &Image{make([]uint8, height*width*channels), height, width, channels}
}

// Check returns an error unless the fields of the image agree.
func (m *Image) Check() error {
	if m.Height < 1 || m.Width < 1 || (m.Channels != 1 && m.Channels != 3) ||
		len(m.Pix) != m.Height*m.Width*m.Channels {
		return fmt.Errorf("data: an image of %d×%d with %d channels and %d values is not valid; "+
			"it needs a size of at least 1×1, 1 or 3 channels and a value for each",
			m.Height, m.Width, m.Channels, len(m.Pix))
	}
	return nil
}

// Bounds returns the box of the whole image.
func (m *Image) Bounds() Box {
	return Box{0, 0, m.Height, m.Width}
}

// Row returns the values of row y in the columns [x0, x1).
func (m *Image) Row(y, x0, x1 int) []uint8 {
	start := y * m.Width
	return m.Pix[(start+x0)*m.Channels : (start+x1)*m.Channels]
}

// Reshape makes m an image of the given shape. It reuses the memory of m; the content is
// undefined.
func (m *Image) Reshape(height, width, channels int) {
	n := height * width * channels
	if cap(m.Pix) < n {
		m.Pix = make([]uint8, n)
	}
	*m = Image{m.Pix[:n], height, width, channels}
}

// Convert writes src to dst as RGB if it is grey, and as grey if it is RGB. Grey is repeated
// for each colour. RGB becomes grey with the luma weights of ITU-R 601, in the fixed-point
// arithmetic of Pillow's mode "L".
func Convert(dst, src *Image) {
	if src.Channels == 1 {
		dst.Reshape(src.Height, src.Width, 3)
		out := dst.Pix
		for _, v := range src.Pix {
			out[0], out[1], out[2] = v, v, v
			out = out[3:]
		}
		return
	}
	dst.Reshape(src.Height, src.Width, 1)
	in := src.Pix
	for i := range dst.Pix {
		r, g, b := uint32(in[0]), uint32(in[1]), uint32(in[2])
		dst.Pix[i] = uint8((19595*r + 38470*g + 7471*b + 1<<15) >> 16)
		in = in[3:]
	}
}

// FlipHorizontal mirrors the image left to right, in place.
func FlipHorizontal(m *Image) {
	for y := range m.Height {
		row := m.Row(y, 0, m.Width)
		if m.Channels == 1 {
			for i, j := 0, len(row)-1; i < j; i, j = i+1, j-1 {
				row[i], row[j] = row[j], row[i]
			}
			continue
		}
		for i, j := 0, len(row)-3; i < j; i, j = i+3, j-3 {
			a, b := row[i:i+3:i+3], row[j:j+3:j+3]
			a[0], b[0] = b[0], a[0]
			a[1], b[1] = b[1], a[1]
			a[2], b[2] = b[2], a[2]
		}
	}
}
