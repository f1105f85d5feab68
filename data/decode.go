package data

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	_ "image/jpeg" // registers the decoder
	_ "image/png"  // registers the decoder
	"io"
	"os"
)

// MaxPixels is the largest number of pixels that is decoded. It is the size at
// which Pillow refuses a file as a decompression bomb.
const MaxPixels = 178_956_970

// ReadImage decodes a JPEG or PNG file, see [Decode]. An error names the file.
func ReadImage(path string) (*Image, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	m, err := Decode(content)
	if err != nil {
		return nil, fmt.Errorf("data: %s: %w", path, err)
	}
	return m, nil
}

// Decode decodes the content of a JPEG or PNG file; which of them it is, is told
// by the content. Grey images without alpha have 1 channel, all others are RGB. Of
// 16-bit values the high byte is kept; an alpha channel is dropped, not composed;
// the EXIF orientation is ignored. It is an error when the content is truncated or
// has more than [MaxPixels] pixels.
func Decode(content []byte) (*Image, error) {
	// The header alone is looked at first: decoding allocates what it promises.
	cfg, format, err := image.DecodeConfig(bytes.NewReader(content))
	if errors.Is(err, image.ErrFormat) {
		return nil, errors.New("the content is neither a JPEG nor a PNG image")
	}
	if err != nil {
		return nil, decodeError(err)
	}
	if cfg.Width < 1 || cfg.Height < 1 {
		return nil, fmt.Errorf("the image is empty: %d×%d pixels", cfg.Height, cfg.Width)
	}
	if cfg.Width > MaxPixels/cfg.Height {
		return nil, fmt.Errorf("%d×%d pixels exceed the limit of %d pixels; scale the image down",
			cfg.Height, cfg.Width, MaxPixels)
	}
	// Deflate packs at most 1032 bytes into one, and a pixel of a PNG has at least
	// a bit. In a JPEG 64 pixels have at least a bit.
	least := map[string]int{"png": 8 * 1032, "jpeg": 8 * 64}[format] // pixels in a byte
	if cfg.Width*cfg.Height/least > len(content) {
		return nil, errors.New("the image is truncated")
	}
	src, _, err := image.Decode(bytes.NewReader(content))
	if err != nil {
		return nil, decodeError(err)
	}
	return fromStandard(src), nil
}

// decodeError says in words when the content ends too early. An io.EOF in an
// error would also look like the end of an epoch.
func decodeError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the image is truncated")
	}
	return err
}

// fromStandard converts what the standard decoders return.
func fromStandard(src image.Image) *Image {
	b := src.Bounds()
	channels := 3
	switch src.(type) {
	case *image.Gray, *image.Gray16:
		channels = 1
	}
	m := NewImage(b.Dy(), b.Dx(), channels)
	switch src := src.(type) {
	case *image.Gray:
		for y := range m.Height {
			copy(m.row(y, 0, m.Width), src.Pix[y*src.Stride:])
		}
	case *image.Gray16:
		pickBytes(m, src.Pix, src.Stride, 2, 0)
	case *image.RGBA:
		pickBytes(m, src.Pix, src.Stride, 4, 0, 1, 2)
	case *image.NRGBA:
		pickBytes(m, src.Pix, src.Stride, 4, 0, 1, 2)
	case *image.RGBA64:
		pickBytes(m, src.Pix, src.Stride, 8, 0, 2, 4)
	case *image.NRGBA64:
		pickBytes(m, src.Pix, src.Stride, 8, 0, 2, 4)
	case *image.Paletted:
		var palette [256][3]uint8
		for i, c := range src.Palette {
			n := color.NRGBAModel.Convert(c).(color.NRGBA)
			palette[i] = [3]uint8{n.R, n.G, n.B}
		}
		for y := range m.Height {
			row := m.row(y, 0, m.Width)
			for x, i := range src.Pix[y*src.Stride:][:m.Width] {
				copy(row[3*x:], palette[i][:])
			}
		}
	default: // the YCbCr and CMYK of JPEG, for which draw has fast paths
		rgba := image.NewRGBA(b)
		draw.Draw(rgba, b, src, b.Min, draw.Src)
		pickBytes(m, rgba.Pix, rgba.Stride, 4, 0, 1, 2)
	}
	return m
}

// pickBytes fills m from pixels of size bytes each, taking the byte at offsets[c]
// for channel c. Of big-endian 16-bit values this takes the high byte.
func pickBytes(m *Image, pix []uint8, stride, size int, offsets ...int) {
	for y := range m.Height {
		src := pix[y*stride:][:m.Width*size]
		dst := m.row(y, 0, m.Width)
		for c, offset := range offsets {
			for i, j := c, offset; j < len(src); i, j = i+m.Channels, j+size {
				dst[i] = src[j]
			}
		}
	}
}
