package picture

import (
	"bytes"
	"image/jpeg"
	"image/png"
)

// PNG returns the image as a PNG file.
func (m *Image) PNG() ([]byte, error) {
	var b bytes.Buffer
	if err := png.Encode(&b, m.standard()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// JPEG returns the image as a JPEG file, with a quality from 1 to 100.
func (m *Image) JPEG(quality int) ([]byte, error) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m.standard(), &jpeg.Options{Quality: quality}); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// IsLossless says whether a file stores its pixels without loss.
func IsLossless(content []byte, format string) bool {
	if format != "webp" {
		return format != "jpg"
	}
	if a, err := animatedWebP(content); err == nil && a != nil {
		content = a.frame
	}
	lossless := false
	webpChunks(content, func(id string, _ []byte) { lossless = lossless || id == "VP8L" })
	return lossless
}
