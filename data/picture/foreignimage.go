package picture

import (
	"errors"
	"fmt"
	"image"
	"reflect"

	"fasternet/kernels"
)

// SetStandard makes an image of the standard library the source, by the rules of
// [Decoding.Decode]: alpha is dropped, CMYK is multiplied out, chroma is interpolated. It
// copies the pixels into memory that it reuses. For images of the types YCbCr, RGBA, NRGBA,
// Gray and CMYK and their forms of 16 bits it allocates nothing. It is an error when the
// image is nil, empty, or larger than how.MaxPixels, or when its fields do not agree.
func (src *Source) SetStandard(m image.Image, how Decoding) (err error) {
	src.content = nil
	defer func() { // Pix may be too short, or At may be another program's and panic
		if v := recover(); v != nil {
			err = fmt.Errorf("the image cannot be read: %v", v)
		}
	}()
	if m == nil || reflect.ValueOf(m).Kind() == reflect.Pointer && reflect.ValueOf(m).IsNil() {
		return errors.New("the image is nil")
	}
	b := m.Bounds()
	if err := how.checkSize(b.Dy(), b.Dx()); err != nil {
		return err
	}
	src.image = src.copied
	defer func() { src.copied = src.image }()
	toRGB := kernels.Default().YCbCrToRGB
	whole := Box{0, 0, b.Dy(), b.Dx()}
	planes, ok := m.(*image.YCbCr)
	if ok && src.chroma.planes(&src.image, spread(planes), whole, toRGB) {
		return nil
	}
	how.fill(&src.image, m)
	withoutPremultiplying(&src.image, m)
	return nil
}

// withoutPremultiplying divides colours by the alpha that they were multiplied with, to get
// the colours that image files store. It drops alpha.
func withoutPremultiplying(m *Image, src image.Image) {
	switch src := src.(type) {
	case *image.RGBA:
		for y := range m.Height {
			in, out := src.Pix[y*src.Stride:][:4*m.Width], m.Row(y, 0, m.Width)
			for ; len(in) >= 4; in, out = in[4:], out[3:] {
				if a := uint32(in[3]); a != 0xff && a != 0 {
					for c := range 3 { // as color.NRGBAModel computes it
						out[c] = uint8(uint32(in[c]) * 0x101 * 0xffff / (a * 0x101) >> 8)
					}
				}
			}
		}
	case *image.RGBA64:
		for y := range m.Height {
			in, out := src.Pix[y*src.Stride:][:8*m.Width], m.Row(y, 0, m.Width)
			for ; len(in) >= 8; in, out = in[8:], out[3:] {
				if a := uint32(in[6])<<8 | uint32(in[7]); a != 0xffff && a != 0 {
					for c := range 3 {
						out[c] = uint8((uint32(in[2*c])<<8 | uint32(in[2*c+1])) * 0xffff / a >> 8)
					}
				}
			}
		}
	}
}
