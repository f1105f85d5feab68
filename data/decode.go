package data

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// MaxPixels is the largest number of pixels that is decoded. It is the size at
// which Pillow refuses a file as a decompression bomb.
const MaxPixels = 178_956_970

var errNotAnImage = errors.New("the content is neither a JPEG nor a PNG, WebP, BMP or TIFF image")

// ReadImage decodes an image file, see [Decode]. An error names the file.
func ReadImage(path string) (*Image, error) {
	content, err := readFile(path, nil)
	if err != nil {
		return nil, err
	}
	return decodeNamed(content, path)
}

// Decode decodes the content of a JPEG, PNG, WebP, BMP or TIFF file; which of them
// it is, is told by the content. Grey images without alpha have 1 channel, all
// others are RGB, by the rules of Pillow's convert("RGB"): CMYK is multiplied out,
// palettes are looked up, an alpha channel is dropped, not composed. Of 16-bit values
// the high byte is kept, but grey ones without alpha are clipped to 255. The EXIF orientation is ignored. It is an error when the content is truncated or has
// more than [MaxPixels] pixels.
func Decode(content []byte) (*Image, error) {
	switch format := sniff(content); format {
	case "jpg":
		return decodeJPEG(content)
	case "png":
		return decodeWith(content, format, png.DecodeConfig, png.Decode)
	case "webp":
		return decodeWith(content, format, webp.DecodeConfig, webp.Decode)
	case "bmp":
		return decodeWith(content, format, bmp.DecodeConfig, bmp.Decode)
	case "tif":
		return decodeWith(content, format, tiff.DecodeConfig, tiff.Decode)
	}
	return nil, errNotAnImage
}

// sniff is the usual ending of the format of a file by its first bytes; "" if it is
// not one that is decoded.
func sniff(content []byte) string {
	begins := func(s string) bool { return bytes.HasPrefix(content, []byte(s)) }
	switch {
	case begins("\xff\xd8"):
		return "jpg"
	case begins("\x89PNG\r\n\x1a\n"):
		return "png"
	case begins("RIFF") && len(content) >= 12 && string(content[8:12]) == "WEBP":
		return "webp"
	case begins("BM"):
		return "bmp"
	case begins("II\x2a\x00"), begins("MM\x00\x2a"):
		return "tif"
	}
	return ""
}

// decodeWith decodes a file of a format with a decoder of the standard library or like
// it.
func decodeWith(content []byte, format string, config func(io.Reader) (image.Config, error), decode func(io.Reader) (image.Image, error)) (*Image, error) {
	// The header alone is looked at first: decoding allocates what it promises.
	cfg, err := config(bytes.NewReader(content))
	if err != nil {
		return nil, decodeError(err)
	}
	if err := checkSize(cfg.Height, cfg.Width); err != nil {
		return nil, err
	}
	if err := checkRoom(format, cfg.Height, cfg.Width, len(content)); err != nil {
		return nil, err
	}
	src, err := safely(func() (image.Image, error) { return decode(bytes.NewReader(content)) })
	if err != nil {
		return nil, decodeError(err)
	}
	if m := fromWebP(src); m != nil {
		return m, nil
	}
	return fromStandard(src), nil
}

// safely turns a panic of a decoder into an error: its input is anybody's file.
func safely(decode func() (image.Image, error)) (m image.Image, err error) {
	defer func() {
		if v := recover(); v != nil {
			m, err = nil, fmt.Errorf("the decoder failed: %v", v)
		}
	}()
	return decode()
}

// checkSize returns an error unless an image of this size is decoded.
func checkSize(height, width int) error {
	if width < 1 || height < 1 {
		return fmt.Errorf("the image is empty: %d×%d pixels", height, width)
	}
	if width > MaxPixels/height {
		return fmt.Errorf("%d×%d pixels exceed the limit of %d pixels; scale the image down", height, width, MaxPixels)
	}
	return nil
}

var errTruncated = errors.New("the image is truncated")

// decodeError says in words when the content ends too early. An io.EOF in an
// error would also look like the end of an epoch.
func decodeError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTruncated
	}
	return err
}

// strictJPEG decodes a JPEG file with the decoder of the standard library, which
// finds errors that others pass over.
func strictJPEG(content []byte) error {
	if err := tooLarge(content); err != nil {
		return err
	}
	_, err := jpeg.Decode(bytes.NewReader(content))
	return decodeError(err)
}

func tooLarge(content []byte) error {
	cfg, err := jpeg.DecodeConfig(bytes.NewReader(content))
	if err != nil {
		return decodeError(err)
	}
	return checkSize(cfg.Height, cfg.Width)
}
