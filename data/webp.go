package data

import "image"

// fromWebP converts the planes of a lossy WebP image, which unlike those of a JPEG
// file have luma from 16 to 235 (RFC 6386); the image libraries of Go take them for
// the same. It is nil for other images. No other decoder behind decodeWith makes
// planes.
func fromWebP(src image.Image) *Image {
	if alpha, ok := src.(*image.NYCbCrA); ok {
		src = &alpha.YCbCr // dropped, as everywhere
	}
	planes, ok := src.(*image.YCbCr)
	if !ok {
		return nil
	}
	m := new(Image)
	b := planes.Bounds()
	if !new(jpegDecoder).planes(m, planes, Box{0, 0, b.Dy(), b.Dx()}, studioToRGB) {
		return nil
	}
	return m
}

// studioToRGB converts a row of pixels with the luma of television to RGB, in the
// arithmetic of libwebp.
func studioToRGB(rgb, y, cb, cr []uint8) {
	for i := range y {
		luma, u, v := int(y[i])*19077>>8, int(cb[i]), int(cr[i])
		for c, sum := range [3]int{luma + v*26149>>8 - 14234, luma - u*6419>>8 - v*13320>>8 + 8708, luma + u*33050>>8 - 17685} {
			rgb[3*i+c] = uint8(min(max(sum>>6, 0), 255))
		}
	}
}
