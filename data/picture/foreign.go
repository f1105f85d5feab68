package picture

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// ErrConvert says what to do with an image that is not decoded.
var ErrConvert = errors.New(`convert it to PNG or JPEG first, for example with ImageMagick ("magick in.xyz out.png")`)

// ConvertThem is ErrConvert for several images.
const ConvertThem = `convert them to PNG or JPEG first, ` +
	`for example with ImageMagick ("magick mogrify -format png *.xyz")`

// foreign lists formats that are not decoded, with the bytes by which they are known and the
// offset of these bytes.
var foreign = []struct {
	offset int
	magic  string
	name   string
}{
	{4, "ftypavif", "an AVIF image"},
	{4, "ftypavis", "an AVIF image"},
	{4, "ftypheic", "a HEIC image"},
	{4, "ftypheix", "a HEIC image"},
	{4, "ftyphevc", "a HEIC image"},
	{4, "ftyphevx", "a HEIC image"},
	{4, "ftypheim", "a HEIC image"},
	{4, "ftypheis", "a HEIC image"},
	{4, "ftypmif1", "a HEIF image"},
	{4, "ftypmsf1", "a HEIF image"},
	{4, "ftypcrx ", "a camera raw file (CR3)"},
	{4, "ftyp", "a video (MP4 or QuickTime)"},
	{0, "\xff\x0a", "a JPEG XL image"},
	{0, "\x00\x00\x00\x0cJXL \r\n\x87\n", "a JPEG XL image"},
	{0, "\x00\x00\x00\x0cjP  \r\n\x87\n", "a JPEG 2000 image"},
	{0, "\xff\x4f\xff\x51", "a JPEG 2000 image"},
	{0, "II\xbc", "a JPEG XR image"},
	{0, "II\x2b\x00", "a BigTIFF image"},
	{0, "MM\x00\x2b", "a BigTIFF image"},
	{0, "8BPS", "a Photoshop image"},
	{0, "gimp xcf", "a GIMP image"},
	{0, "\x00\x00\x01\x00", "an icon (ICO)"},
	{0, "icns", "an icon (ICNS)"},
	{0, "qoif", "a QOI image"},
	{0, "farbfeld", "a farbfeld image"},
	{0, "DDS ", "a DDS texture"},
	{0, "\x76\x2f\x31\x01", "an OpenEXR image"},
	{0, "#?RADIANCE", "a Radiance HDR image"},
	{0, "PF\n", "a PFM image"},
	{0, "Pf\n", "a PFM image"},
	{0, "P7\n", "a PAM image"},
	{0, "FUJIFILMCCD-RAW", "a camera raw file (RAF)"},
	{0, "IIRO", "a camera raw file (ORF)"},
	{0, "IIU\x00", "a camera raw file (RW2)"},
	{0, "\x0a\x05\x01", "a PCX image"},
	{0, "SIMPLE  =", "a FITS image"},
	{128, "DICM", "a DICOM image"},
	{0, "\x89HDF", "an HDF5 file"},
	{0, "\x93NUMPY", "a NumPy array"},
	{0, "%PDF", "a PDF document"},
	{0, "%!PS", "a PostScript document"},
	{0, "<svg", "an SVG drawing"},
	{0, "\x1a\x45\xdf\xa3", "a video (Matroska or WebM)"},
	{8, "AVI LIST", "a video (AVI)"},
}

// archives lists formats of files that may have images in them, like [foreign].
var archives = []struct {
	offset int
	magic  string
	name   string
}{
	{0, "PK\x03\x04", "a zip archive"},
	{0, "\x1f\x8b", "a gzip archive"},
	{0, "7z\xbc\xaf\x27\x1c", "a 7-Zip archive"},
	{0, "Rar!\x1a\x07", "a RAR archive"},
	{0, "BZh", "a bzip2 archive"},
	{0, "\xfd7zXZ\x00", "an xz archive"},
	{0, "\x28\xb5\x2f\xfd", "a Zstandard archive"},
	{257, "ustar", "a tar archive"},
}

// notAnImage says what a content that is not decoded is, if it is known.
func notAnImage(content []byte) error {
	if len(content) == 0 {
		return errors.New("the file is empty")
	}
	has := func(offset int, magic string) bool {
		return len(content) > offset && bytes.HasPrefix(content[offset:], []byte(magic))
	}
	for _, f := range foreign {
		if has(f.offset, f.magic) {
			return fmt.Errorf("%s, which is not supported; %w", f.name, ErrConvert)
		}
	}
	for _, f := range archives {
		if has(f.offset, f.magic) {
			return fmt.Errorf("%s, not an image: unpack it first", f.name)
		}
	}
	start := bytes.ToLower(bytes.TrimSpace(content[:min(len(content), 512)]))
	begins := func(s string) bool { return bytes.HasPrefix(start, []byte(s)) }
	switch {
	case begins("version https://git-lfs"):
		return errors.New(`a pointer of Git LFS, not the image itself; fetch it with "git lfs pull"`)
	case begins("<!doctype html"), begins("<html"):
		return errors.New("an HTML page, not an image: perhaps the download needs a login, or the link is dead")
	case begins("<?xml") && bytes.Contains(start, []byte("<svg")):
		return fmt.Errorf("an SVG drawing, which is not supported; %w", ErrConvert)
	case isText(start):
		return errors.New("a text file, not an image")
	}
	return ErrNotAnImage
}

// ErrNotAnImage is the error for content that is not an image of a known format.
var ErrNotAnImage = errors.New("not an image that can be read: " +
	"neither a JPEG nor a PNG, WebP, GIF, BMP, TIFF or PNM file")

// isText says whether bytes are text without control characters.
func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return len(b) > 0 && (utf8.Valid(b) || len(b) > 500) // the last rune of a long text may be cut
}
