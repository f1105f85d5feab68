package picture

import "math"

// Box is a rectangle of pixels in an image.
type Box struct{ Top, Left, Height, Width int }

// CentreCrop returns the middle height×width pixels of an image, padded with zeros if the
// image is smaller. As in torchvision, an offset of half a pixel is rounded to even, and
// padding puts the odd pixel at the bottom and right. The sizes must be positive.
func CentreCrop(m *Image, height, width int) *Image {
	dst := NewImage(height, width, m.Channels)
	CropPadded(dst, m, CentreOffset(m.Height, height), CentreOffset(m.Width, width))
	return dst
}

// CentreOffset returns where a centred window of the given size starts on an axis of length
// n; it is negative if the window is larger.
func CentreOffset(n, window int) int {
	if window > n {
		return -((window - n) / 2)
	}
	return int(math.RoundToEven(float64(n-window) / 2))
}

// CropPadded fills dst with the window of src whose first pixel is (top, left). Outside of
// src the window is 0.
func CropPadded(dst, src *Image, top, left int) {
	x0, x1 := max(left, 0), min(left+dst.Width, src.Width)
	for y := range dst.Height {
		out := dst.Row(y, 0, dst.Width)
		if from := y + top; from < 0 || from >= src.Height || x0 >= x1 {
			clear(out)
			continue
		}
		clear(out[:(x0-left)*dst.Channels])
		n := copy(out[(x0-left)*dst.Channels:], src.Row(y+top, x0, x1))
		clear(out[(x0-left)*dst.Channels+n:])
	}
}
