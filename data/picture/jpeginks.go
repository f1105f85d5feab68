package picture

import (
	"bytes"
	"image"
	"io"

	"fasternet/kernels"
)

// adobeSegment says that the four colours of a JPEG file are not transformed.
const adobeSegment = "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"

// rawInks is a JPEG file of four colours with a segment before its first scan that keeps
// the standard library from converting them. It would repeat chroma where libjpeg
// interpolates, and without a segment of Adobe's it does not decode such files.
func rawInks(content []byte, h jpegHeader) io.Reader {
	return io.MultiReader(bytes.NewReader(content[:h.scan]), bytes.NewReader([]byte(adobeSegment)), bytes.NewReader(content[h.scan:]))
}

// inks converts an image of rawInks. As Pillow does it takes all such files for inverted,
// as Adobe's are, and those for YCCK that say so in Adobe's segment.
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
	for y := 0; y < height; y += step { // each sample was repeated
		for x := 0; x < width; x += step {
			in, at := src.Pix[y*src.Stride+4*x:], y/step*p.CStride+x/step
			p.Cb[at], p.Cr[at] = 255-in[1], 255-in[2]
		}
	}
	convert := kernels.Default().YCbCrToRGB
	if h.adobe <= 0 { // inks as they are; libjpeg calls them so where no segment says otherwise
		convert = interleaveInverted
	}
	colours := new(Image)
	d.planes(colours, p, Box{0, 0, height, width}, convert)
	for i := range height * width { // the fourth is as it should be
		copy(src.Pix[i/width*src.Stride+4*(i%width):], colours.Pix[3*i:3*i+3])
	}
	m := NewImage(height, width, 3)
	fromCMYK(m, src)
	return m
}

// interleaveInverted puts the inverse of three rows side by side.
func interleaveInverted(out, a, b, c []uint8) {
	for i := range a {
		out[3*i], out[3*i+1], out[3*i+2] = 255-a[i], 255-b[i], 255-c[i]
	}
}
