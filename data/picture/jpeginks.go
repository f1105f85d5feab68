package picture

import (
	"bytes"
	"image"
	"io"

	"fasternet/kernels"
)

// adobeSegment says that the four colours of a JPEG file are not transformed.
const adobeSegment = "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"

// rawInks returns a JPEG file of four colours with a segment before its first scan that keeps
// the standard library from converting the colours: it would repeat chroma where libjpeg
// interpolates. Without a segment by Adobe it does not decode such files at all.
func rawInks(content []byte, h jpegHeader) io.Reader {
	return io.MultiReader(
		bytes.NewReader(content[:h.scan]),
		bytes.NewReader([]byte(adobeSegment)),
		bytes.NewReader(content[h.scan:]),
	)
}

// inks converts an image from rawInks. Like Pillow it takes all such files for inverted, as
// Adobe writes them, and takes them for YCCK only if Adobe's segment says so.
func (d *jpegDecoder) inks(src *image.CMYK, h jpegHeader) *Image {
	width, height := src.Rect.Dx(), src.Rect.Dy()
	ratio, step := image.YCbCrSubsampleRatio444, 1
	if h.subsampled {
		ratio, step = image.YCbCrSubsampleRatio420, 2
	}
	p := image.NewYCbCr(image.Rect(0, 0, width, height), ratio)
	for y := range height {
		for x := range width {
			p.Y[y*p.YStride+x] = 255 - src.Pix[y*src.Stride+4*x]
		}
	}
	for y := 0; y < height; y += step { // the library has repeated each sample
		for x := 0; x < width; x += step {
			in, at := src.Pix[y*src.Stride+4*x:], y/step*p.CStride+x/step
			p.Cb[at], p.Cr[at] = 255-in[1], 255-in[2]
		}
	}
	convert := kernels.Default().YCbCrToRGB
	if h.adobe <= 0 { // CMYK; libjpeg assumes it too if no segment says otherwise
		convert = interleaveInverted
	}
	colours := new(Image)
	d.planes(colours, p, Box{0, 0, height, width}, convert)
	for i := range height * width { // the fourth colour is right already
		copy(src.Pix[i/width*src.Stride+4*(i%width):], colours.Pix[3*i:3*i+3])
	}
	m := NewImage(height, width, 3)
	fromCMYK(m, src)
	return m
}

// interleaveInverted interleaves the inverse of three rows.
func interleaveInverted(out, a, b, c []uint8) {
	for i := range a {
		out[3*i], out[3*i+1], out[3*i+2] = 255-a[i], 255-b[i], 255-c[i]
	}
}
