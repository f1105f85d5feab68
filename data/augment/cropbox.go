package augment

import (
	"math"
	"math/rand/v2"

	"fasternet/data/picture"
)

// RandomOffset draws where a window starts on an axis of length n. The axis is first padded
// with zeros to the size of the window, if it is shorter, half on either side. Then it is
// padded by padding on both sides.
func RandomOffset(n, window, padding int, r *rand.Rand) int {
	free := max(n, window) + 2*padding - window
	return r.IntN(free+1) - padding - max(0, window-n)/2
}

// RandomResizedCropBox draws the box that is cropped and then resized. Its area is a share of
// the image in scale. Its aspect ratio (width to height) is log-uniform in ratio (Szegedy et
// al., "Going Deeper with Convolutions", 2015). If ten attempts do not fit, the result is the
// largest central box with an aspect ratio in range. The sizes must be positive,
// 0 < scale[0] ≤ scale[1] and 0 < ratio[0] ≤ ratio[1].
func RandomResizedCropBox(height, width int, scale, ratio [2]float64, r *rand.Rand) picture.Box {
	area := float64(height) * float64(width)
	lo, hi := math.Log(ratio[0]), math.Log(ratio[1])
	for range 10 { // as torchvision and timm
		a := area * (scale[0] + r.Float64()*(scale[1]-scale[0]))
		aspect := math.Exp(lo + r.Float64()*(hi-lo))
		w := int(math.RoundToEven(math.Sqrt(a * aspect)))
		h := int(math.RoundToEven(math.Sqrt(a / aspect)))
		if 0 < w && w <= width && 0 < h && h <= height {
			top := r.IntN(height - h + 1)
			return picture.Box{Top: top, Left: r.IntN(width - w + 1), Height: h, Width: w}
		}
	}
	h, w := height, width
	if aspect := float64(width) / float64(height); aspect < ratio[0] {
		h = int(math.RoundToEven(float64(width) / ratio[0]))
	} else if aspect > ratio[1] {
		w = int(math.RoundToEven(float64(height) * ratio[1]))
	}
	h, w = max(h, 1), max(w, 1)
	return picture.Box{Top: (height - h) / 2, Left: (width - w) / 2, Height: h, Width: w}
}

// OneDrawCropBox draws a box as [RandomResizedCropBox] does, but only once: it cuts a box that
// does not fit to the height or the width of the image. MAE's linear probe crops like this (He
// et al., 2022).
func OneDrawCropBox(height, width int, scale, ratio [2]float64, r *rand.Rand) picture.Box {
	a := float64(height) * float64(width) * (scale[0] + r.Float64()*(scale[1]-scale[0]))
	lo, hi := math.Log(ratio[0]), math.Log(ratio[1])
	aspect := math.Exp(lo + r.Float64()*(hi-lo))
	w := min(max(int(math.RoundToEven(math.Sqrt(a*aspect))), 1), width)
	h := min(max(int(math.RoundToEven(math.Sqrt(a/aspect))), 1), height)
	top := r.IntN(height - h + 1)
	return picture.Box{Top: top, Left: r.IntN(width - w + 1), Height: h, Width: w}
}
