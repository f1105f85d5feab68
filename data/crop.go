package data

import (
	"math"
	"math/rand/v2"
)

// Box is a rectangle of pixels in an image.
type Box struct{ Top, Left, Height, Width int }

// CentreCrop returns the middle height×width pixels of an image. Where the image
// is smaller it is padded with zeros. An offset of half a pixel is rounded to
// even, padding puts the odd pixel to the bottom and right, as torchvision does.
// The sizes must be positive.
func CentreCrop(m *Image, height, width int) *Image {
	dst := NewImage(height, width, m.Channels)
	cropPadded(dst, m, centreOffset(m.Height, height), centreOffset(m.Width, width))
	return dst
}

// centreOffset is where a window of the given size starts when it is centred on
// an axis of length n; negative if the window is the larger one.
func centreOffset(n, window int) int {
	if window > n {
		return -((window - n) / 2)
	}
	return int(math.RoundToEven(float64(n-window) / 2))
}

// cropPadded fills dst with the window of src whose first pixel is (top, left).
// The window may reach beyond src, where it is 0.
func cropPadded(dst, src *Image, top, left int) {
	x0, x1 := max(left, 0), min(left+dst.Width, src.Width)
	for y := range dst.Height {
		out := dst.row(y, 0, dst.Width)
		if from := y + top; from < 0 || from >= src.Height || x0 >= x1 {
			clear(out)
			continue
		}
		clear(out[:(x0-left)*dst.Channels])
		n := copy(out[(x0-left)*dst.Channels:], src.row(y+top, x0, x1))
		clear(out[(x0-left)*dst.Channels+n:])
	}
}

// randomOffset draws where a window starts on an axis of length n that is padded
// with zeros: first to the size of the window, if it is shorter, half on either
// side, then by padding on both sides.
func randomOffset(n, window, padding int, r *rand.Rand) int {
	free := max(n, window) + 2*padding - window
	return r.IntN(free+1) - padding - max(0, window-n)/2
}

// RandomResizedCropBox draws the box that is cropped and then resized: its area
// is a share of the image in scale, its aspect ratio (width to height) in ratio
// and log-uniform (Szegedy et al., "Going Deeper with Convolutions", 2015). After
// ten attempts that do not fit it falls back to the largest central box with an
// aspect ratio in range. The sizes must be positive, 0 < scale[0] ≤ scale[1] and
// 0 < ratio[0] ≤ ratio[1].
func RandomResizedCropBox(height, width int, scale, ratio [2]float64, r *rand.Rand) Box {
	area := float64(height) * float64(width)
	lo, hi := math.Log(ratio[0]), math.Log(ratio[1])
	for range 10 {
		a := area * (scale[0] + r.Float64()*(scale[1]-scale[0]))
		aspect := math.Exp(lo + r.Float64()*(hi-lo))
		w := int(math.RoundToEven(math.Sqrt(a * aspect)))
		h := int(math.RoundToEven(math.Sqrt(a / aspect)))
		if 0 < w && w <= width && 0 < h && h <= height {
			top := r.IntN(height - h + 1)
			return Box{top, r.IntN(width - w + 1), h, w}
		}
	}
	h, w := height, width
	if aspect := float64(width) / float64(height); aspect < ratio[0] {
		h = int(math.RoundToEven(float64(width) / ratio[0]))
	} else if aspect > ratio[1] {
		w = int(math.RoundToEven(float64(height) * ratio[1]))
	}
	h, w = max(h, 1), max(w, 1)
	return Box{(height - h) / 2, (width - w) / 2, h, w}
}

// OneDrawCropBox draws a box as [RandomResizedCropBox] does, but once: what does
// not fit is cut to the height or the width of the image. It is the crop of MAE's
// linear probe (He et al., 2022).
func OneDrawCropBox(height, width int, scale, ratio [2]float64, r *rand.Rand) Box {
	a := float64(height) * float64(width) * (scale[0] + r.Float64()*(scale[1]-scale[0]))
	lo, hi := math.Log(ratio[0]), math.Log(ratio[1])
	aspect := math.Exp(lo + r.Float64()*(hi-lo))
	w := min(max(int(math.RoundToEven(math.Sqrt(a*aspect))), 1), width)
	h := min(max(int(math.RoundToEven(math.Sqrt(a/aspect))), 1), height)
	top := r.IntN(height - h + 1)
	return Box{top, r.IntN(width - w + 1), h, w}
}
