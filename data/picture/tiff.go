package picture

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/image/tiff"
)

// The tags of a TIFF directory that this package reads.
const (
	tagSubfileType = 254
	tagBits        = 258
	tagCompression = 259
	tagPhotometric = 262
	tagFillOrder   = 266
	tagOrientation = 274
	tagSamples     = 277
	tagPlanar      = 284
	tagFaxOptions  = 292
	tagSubIFDs     = 330
	tagFormat      = 339
	tagDNGVersion  = 50706
)

// tiffDirectory is the first directory of a TIFF file, or of EXIF, which has the same form.
// It has the first value of each of the tags above.
type tiffDirectory map[int]int

// readDirectory reads the first directory. It leaves out what it cannot read.
func readDirectory(b []byte) tiffDirectory {
	if len(b) < 8 {
		return nil
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch string(b[:4]) {
	case "II\x2a\x00":
	case "MM\x00\x2a":
		order = binary.BigEndian
	default:
		return nil
	}
	at := int(order.Uint32(b[4:]))
	if at < 8 || at > len(b)-2 {
		return nil
	}
	d := tiffDirectory{}
	n := int(order.Uint16(b[at:]))
	for at += 2; n > 0 && at+12 <= len(b); n, at = n-1, at+12 {
		tag, kind, count := int(order.Uint16(b[at:])), order.Uint16(b[at+2:]), order.Uint32(b[at+4:])
		value, size := b[at+8:at+12], uint32(0)
		switch kind {
		case 1, 7: // bytes
			size = 1
		case 3, 8: // 16 bits, of values that are not negative
			size = 2
		case 4, 9, 13: // 32 bits
			size = 4
		default:
			continue
		}
		if count == 0 {
			continue
		}
		if count > 4/size { // the values are stored elsewhere
			far := uint64(order.Uint32(value))
			if far+4 > uint64(len(b)) {
				continue
			}
			value = b[far : far+4]
		}
		if _, twice := d[tag]; twice {
			continue
		}
		switch size {
		case 1:
			d[tag] = int(value[0])
		case 2:
			d[tag] = int(order.Uint16(value))
		case 4:
			d[tag] = int(order.Uint32(value))
		}
	}
	return d
}

// orOne returns the value of a tag, or 1 if it is missing: the default of most TIFF tags.
func (d tiffDirectory) orOne(tag int) int {
	if v, ok := d[tag]; ok {
		return v
	}
	return 1
}

const (
	tiffG3, tiffG4   = 3, 4
	tiffBlackIsZero  = 1
	tiffTransparency = 4
)

// decodeTIFF decodes the first page of a TIFF file. The library ignores some tags that change
// all pixels; this function reads them. One of them says where the first pixel lies. It is a
// part of the TIFF format, not of EXIF, so it always counts, as in Pillow.
func (how Decoding) decodeTIFF(content []byte) (*Image, error) {
	d := readDirectory(content)
	if err := d.check(content); err != nil {
		return nil, err
	}
	m, err := how.decodeWith(content, "tif", tiff.DecodeConfig, tiff.Decode)
	if errors.As(err, new(tiff.UnsupportedError)) {
		err = fmt.Errorf("a TIFF image %s, which is not supported (%w)", d.describe(), err)
	}
	if err != nil {
		return nil, err
	}
	// A fax codes runs of white and black. If zero is black, the library swaps them.
	fax := d[tagCompression] == tiffG3 || d[tagCompression] == tiffG4
	if fax && d[tagPhotometric] == tiffBlackIsZero {
		for i, v := range m.Pix {
			m.Pix[i] = 255 - v
		}
	}
	return Turned(m, exifOrientation(content)), nil
}

// check refuses files that the library would decode wrongly.
func (d tiffDirectory) check(content []byte) error {
	_, dng := d[tagDNGVersion]
	_, inside := d[tagSubIFDs]
	preview := d[tagSubfileType]&1 != 0 && inside
	cr2 := len(content) > 10 && string(content[8:10]) == "CR"
	fax := d[tagCompression] == tiffG3 || d[tagCompression] == tiffG4
	switch {
	case dng, preview, cr2:
		return fmt.Errorf("a camera raw file: what can be read of it is a small preview; %w", ErrConvert)
	case d[tagPlanar] == 2 && d.orOne(tagSamples) > 1,
		d[tagFillOrder] == 2 && !fax,
		d[tagPhotometric] == tiffTransparency,
		d.twoDimensional():
		return fmt.Errorf("a TIFF image %s, which is not supported; %w", d.describe(), ErrConvert)
	}
	return nil
}

// twoDimensional says whether a file has fax group 3 with the codes of group 4.
func (d tiffDirectory) twoDimensional() bool {
	return d[tagCompression] == tiffG3 && d[tagFaxOptions]&1 != 0
}

// describe says what is unusual about a TIFF image that is not supported.
func (d tiffDirectory) describe() string {
	switch {
	case d[tagPlanar] == 2 && d.orOne(tagSamples) > 1:
		return "with each colour in a plane of its own"
	case d.twoDimensional():
		return "with the two-dimensional codes of fax group 3"
	case d[tagFormat] == 3:
		return "of floating-point numbers"
	case d[tagFormat] == 2:
		return "of signed integers"
	case d[tagCompression] == 6, d[tagCompression] == 7:
		return "with JPEG compression"
	}
	switch d[tagPhotometric] {
	case tiffTransparency:
		return "that is a mask"
	case 5:
		return "with the colours of a printer (CMYK)"
	case 6:
		return "in YCbCr"
	case 8, 9, 10:
		return "in the colours of CIE L*a*b*"
	}
	if n := d.orOne(tagSamples); n == 2 || n > 4 {
		return fmt.Sprintf("with %d values per pixel", n)
	}
	if d[tagFillOrder] == 2 {
		return "with its bits in reverse order"
	}
	if n := d.orOne(tagBits); n != 1 && n != 8 && n != 16 {
		return fmt.Sprintf("with %d bits a value", n)
	}
	switch n := d.orOne(tagCompression); n {
	case 2:
		return "with the run lengths of fax machines, but none of group 3 or 4"
	case 34712:
		return "with JPEG 2000 compression"
	case 34925:
		return "with LZMA compression"
	case 50000:
		return "with Zstandard compression"
	case 50001:
		return "with WebP compression"
	default:
		return fmt.Sprintf("with compression %d and photometric interpretation %d", n, d[tagPhotometric])
	}
}
