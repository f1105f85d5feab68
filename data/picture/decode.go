package picture

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
)

// MaxPixels is the largest number of pixels to decode. It is the size at which Pillow refuses
// a file as a decompression bomb.
const MaxPixels = 178_956_970

// Decoding says how to decode image files, where there is a choice.
type Decoding struct {
	// IgnoreOrientation leaves images as they are in the file. Otherwise they are turned
	// as the camera says (EXIF, or else XMP). TIFF images are turned in any case, as
	// Pillow does.
	IgnoreOrientation bool
	// Clip16Bit clips grey values of more than 8 bits to 255, as Pillow does. Otherwise
	// they are scaled to 8 bits, like colours, which Pillow scales too.
	Clip16Bit bool
	// MaxPixels is the largest number of pixels to decode; 0 stands for the constant
	// MaxPixels, which is always a limit.
	MaxPixels int
}

// ReadImage is [Decoding.ReadImage] with the zero value.
func ReadImage(path string) (*Image, error) { return Decoding{}.ReadImage(path) }

// ReadImage decodes an image file, see [Decoding.Decode]. An error names the file.
func (how Decoding) ReadImage(path string) (*Image, error) {
	content, err := ReadFile(path, nil)
	if err != nil {
		return nil, err
	}
	return how.DecodeNamed(content, path)
}

// Decode is [Decoding.Decode] with the zero value.
func Decode(content []byte) (*Image, error) { return Decoding{}.Decode(content) }

// Decode decodes the content of a JPEG, PNG, WebP, GIF, BMP, TIFF or PNM file. It finds the
// format by the content. Of several frames or pages it takes the first.
//
// Grey images without alpha have 1 channel. All others become RGB by the rules of Pillow's
// convert("RGB"): CMYK is multiplied out, palettes are looked up, an alpha channel is
// dropped, not composed. 16-bit values keep their high byte. It is an error when the
// content is truncated or has more than [MaxPixels] pixels. If it is not an image, or an image
// of another format, the error says what it is.
func (how Decoding) Decode(content []byte) (*Image, error) {
	format := Format(content)
	m, err := how.decode(content, format)
	if err != nil {
		return nil, decodeError(err)
	}
	if how.IgnoreOrientation {
		return m, nil
	}
	return Turned(m, OrientationOf(content, format)), nil
}

// DecodeNamed is Decode with the name of the sample in the error.
func (how Decoding) DecodeNamed(content []byte, name string) (*Image, error) {
	m, err := how.Decode(content)
	if err != nil {
		return nil, fmt.Errorf("data: %s: %w", name, err)
	}
	return m, nil
}

// Turned returns m turned upright.
func Turned(m *Image, o Orientation) *Image {
	if o <= Upright {
		return m
	}
	out := new(Image)
	o.turn(out, m)
	return out
}

// decode decodes a file of a format.
func (how Decoding) decode(content []byte, format string) (*Image, error) {
	switch format {
	case "jpg":
		return how.decodeJPEG(content)
	case "png":
		return how.decodeWith(withoutClearGrey(content), format, png.DecodeConfig, png.Decode)
	case "webp":
		return how.decodeWebP(content)
	case "gif":
		return how.decodeGIF(content)
	case "bmp":
		return how.decodeWith(content, format, bmp.DecodeConfig, bmp.Decode)
	case "tif":
		return how.decodeTIFF(content)
	case "pnm":
		return decodePNM(content, how)
	}
	return nil, notAnImage(content)
}

// Format returns the usual ending of a file's format, found by its first bytes; "" if it is
// not a format to decode.
func Format(content []byte) string {
	begins := func(s string) bool { return bytes.HasPrefix(content, []byte(s)) }
	switch {
	case begins("\xff\xd8"):
		return "jpg"
	case begins("\x89PNG\r\n\x1a\n"):
		return "png"
	case begins("RIFF") && len(content) >= 12 && string(content[8:12]) == "WEBP":
		return "webp"
	case begins("GIF87a"), begins("GIF89a"):
		return "gif"
	case begins("BM") && len(content) >= 18 && string(content[15:18]) == "\x00\x00\x00": // size of the next header
		return "bmp"
	case begins("II\x2a\x00"), begins("MM\x00\x2a"):
		return "tif"
	case isPNM(content):
		return "pnm"
	}
	return ""
}

// isPNM looks for P1 to P6, white space, and a number or a comment.
func isPNM(content []byte) bool {
	if len(content) < 4 || content[0] != 'P' || content[1] < '1' || content[1] > '6' {
		return false
	}
	switch content[2] {
	case ' ', '\t', '\n', '\r':
	default:
		return false
	}
	t := pnmText{content, 2}
	t.skip()
	return t.at == len(content) || '0' <= content[t.at] && content[t.at] <= '9'
}

// decodeWith decodes a file of a format with a decoder of the standard library, or one with
// the same functions.
func (how Decoding) decodeWith(
	content []byte,
	format string,
	config func(io.Reader) (image.Config, error),
	decode func(io.Reader) (image.Image, error),
) (*Image, error) {
	// Read the header alone first: decoding allocates what the header promises.
	cfg, err := config(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	if err := how.checkPromise(format, cfg, content); err != nil {
		return nil, err
	}
	src, err := safely(func() (image.Image, error) { return decode(bytes.NewReader(content)) })
	if err != nil {
		return nil, err
	}
	if m := fromWebP(src); m != nil {
		return m, nil
	}
	return fromStandard(src, how), nil
}

// checkPromise returns an error if the size in a header is over the limit, or is more than
// the content can hold.
func (how Decoding) checkPromise(format string, header image.Config, content []byte) error {
	if err := how.checkSize(header.Height, header.Width); err != nil {
		return err
	}
	return checkRoom(format, header.Height, header.Width, len(content))
}

// safely turns a panic of a decoder into an error: the file may come from anybody.
func safely(decode func() (image.Image, error)) (m image.Image, err error) {
	defer func() {
		if v := recover(); v != nil {
			m, err = nil, fmt.Errorf("the decoder failed: %v", v)
		}
	}()
	return decode()
}

// checkSize returns an error if an image of this size is empty or over the limit.
func (how Decoding) checkSize(height, width int) error {
	if width < 1 || height < 1 {
		return fmt.Errorf("the image is empty: %d×%d pixels", height, width)
	}
	most := MaxPixels
	if how.MaxPixels > 0 {
		most = min(most, how.MaxPixels)
	}
	if width > most/height {
		return fmt.Errorf("%d×%d pixels exceed the limit of %d pixels; scale the image down", height, width, most)
	}
	return nil
}

var errTruncated = errors.New("the image is truncated")

// decodeError says in words when the content ends too early, and what to do about an image
// that a decoder does not support. It also removes io.EOF, which would look like the end of
// an epoch.
func decodeError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTruncated
	}
	if errors.Is(err, bmp.ErrUnsupported) {
		return fmt.Errorf("a BMP image that is compressed, or has 16 bits a pixel or an unusual header, "+
			"which is not supported; %w", ErrConvert)
	}
	unknown := false
	kinds := []any{new(jpeg.UnsupportedError), new(png.UnsupportedError), new(tiff.UnsupportedError)}
	for _, kind := range kinds {
		unknown = unknown || errors.As(err, kind)
	}
	if unknown && !errors.Is(err, ErrConvert) {
		return fmt.Errorf("%w; %w", err, ErrConvert)
	}
	return err
}

// VerifyJPEG decodes a JPEG file with the decoder of the standard library, which finds errors
// that the fast one ignores. Files of four colours are decoded with it in the first place.
func VerifyJPEG(content []byte) error {
	if h, err := parseJPEG(content); err != nil || h.inks {
		return err
	}
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
	return Decoding{}.checkSize(cfg.Height, cfg.Width)
}
