package picture

import "image"

// If a sample of chroma covers two pixels of an axis, this file interpolates as libjpeg-turbo
// does: three quarters of the nearest sample and a quarter of the next. If it covers four,
// the sample is repeated.

// upsampleWide makes a row of twice the length.
func upsampleWide(out, in []uint8) {
	last := in[0]
	for i, v := range in {
		next := v
		if i+1 < len(in) {
			next = in[i+1]
		}
		v := 3 * int(v)
		out[2*i] = uint8((v + int(last) + 1) >> 2)
		out[2*i+1] = uint8((v + int(next) + 2) >> 2)
		last = in[i]
	}
}

// repeatWide makes a row of twice the length without interpolation.
func repeatWide(out, in []uint8) {
	for i, v := range in {
		out[2*i], out[2*i+1] = v, v
	}
}

// upsampleHigh makes one of the two rows of pixels that the samples in near cover: the upper
// (0) or the lower (1). far is the next row of samples on this side.
func upsampleHigh(out, near, far []uint8, lower int) {
	far = far[:len(near)]
	for i, v := range near {
		out[i] = uint8((3*int(v) + int(far[i]) + 1 + lower) >> 2)
	}
}

// spread repeats samples of chroma that cover four pixels of a row, so that they cover one. It
// returns other images as they are.
func spread(src *image.YCbCr) *image.YCbCr {
	ratio := image.YCbCrSubsampleRatio444
	switch src.SubsampleRatio {
	case image.YCbCrSubsampleRatio411:
	case image.YCbCrSubsampleRatio410:
		ratio = image.YCbCrSubsampleRatio440
	default:
		return src
	}
	out := image.NewYCbCr(src.Rect, ratio)
	out.Y, out.YStride = src.Y, src.YStride
	for y := range len(out.Cb) / out.CStride {
		for x := range out.CStride {
			out.Cb[y*out.CStride+x] = src.Cb[y*src.CStride+x/4]
			out.Cr[y*out.CStride+x] = src.Cr[y*src.CStride+x/4]
		}
	}
	return out
}
