package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"io"
	"slices"
)

// Orientation says how to turn an image to make it upright, as cameras write it in EXIF:
// 1 is upright, 2 mirrored, 3 upside down, and so on up to 8.
type Orientation int

// Upright is the orientation of an image that need not be turned.
const Upright Orientation = 1

// swaps says whether rows in the file become columns of the upright image.
func (o Orientation) swaps() bool { return o >= 5 }

// backRows and backColumns say whether the rows and the columns in the file run backwards.
func (o Orientation) backRows() bool    { return o == 3 || o == 4 || o == 6 || o == 7 }
func (o Orientation) backColumns() bool { return o == 2 || o == 3 || o == 7 || o == 8 }

// size turns the size in the file into the size of the upright image, or back.
func (o Orientation) size(height, width int) (int, int) {
	if o.swaps() {
		return width, height
	}
	return height, width
}

// box returns where a box of the upright image is in a file of the given size.
func (o Orientation) box(b Box, height, width int) Box {
	if o.swaps() {
		b = Box{b.Left, b.Top, b.Width, b.Height}
	}
	if o.backRows() {
		b.Top = height - b.Top - b.Height
	}
	if o.backColumns() {
		b.Left = width - b.Left - b.Width
	}
	return b
}

// view turns the edges of a part of an image, as turn turns the image.
func (o Orientation) view(v View) View {
	if o.backRows() {
		v.top = float64(v.Image.Height) - v.top - v.height
	}
	if o.backColumns() {
		v.left = float64(v.Image.Width) - v.left - v.width
	}
	if o.swaps() {
		v.top, v.left, v.height, v.width = v.left, v.top, v.width, v.height
	}
	return v
}

// turn makes dst the upright form of src, an image as it is in a file.
func (o Orientation) turn(dst, src *Image) {
	height, width := o.size(src.Height, src.Width)
	dst.Reshape(height, width, src.Channels)
	// start is where the first pixel of the result is in src; right and down are the
	// distances to the next pixel in its row and to the pixel below.
	start, right, down := 0, src.Channels, src.Width*src.Channels
	if o.backRows() {
		start, down = start+(src.Height-1)*src.Width*src.Channels, -down
	}
	if o.backColumns() {
		start, right = start+(src.Width-1)*src.Channels, -right
	}
	if o.swaps() {
		right, down = down, right
	}
	out := dst.Pix
	for y := range height {
		from := start + y*down
		if src.Channels == 1 {
			for x := range width {
				out[x] = src.Pix[from]
				from += right
			}
			out = out[width:]
			continue
		}
		for range width {
			out[0], out[1], out[2] = src.Pix[from], src.Pix[from+1], src.Pix[from+2]
			out, from = out[3:], from+right
		}
	}
}

// exifOrientation returns the orientation in EXIF; 0 if there is none, or if its value is
// unknown.
func exifOrientation(exif []byte) Orientation {
	o := Orientation(readDirectory(exif)[tagOrientation])
	if o < 1 || o > 8 {
		return 0
	}
	return o
}

// xmpOrientation returns the orientation in XMP, for programs that write no EXIF; 0 if there
// is none.
func xmpOrientation(xmp []byte) Orientation {
	const tag = "tiff:Orientation"
	at := bytes.Index(xmp, []byte(tag))
	if at < 0 {
		return 0
	}
	rest := xmp[at+len(tag):]
	for _, before := range []string{`="`, ">"} { // an attribute or an element
		if v, ok := bytes.CutPrefix(rest, []byte(before)); ok && len(v) > 0 && '1' <= v[0] && v[0] <= '8' {
			return Orientation(v[0] - '0')
		}
	}
	return 0
}

// OrientationOf returns the orientation in a file, 0 if it has none. As in Pillow, EXIF counts
// before XMP. For a TIFF file it returns 0: its decoder turns the image.
func OrientationOf(content []byte, format string) Orientation {
	var m metadata
	switch format {
	case "jpg":
		h, err := parseJPEG(content)
		if err != nil {
			return 0
		}
		return h.orientation
	case "png":
		m.png(content)
	case "webp":
		m.webp(content)
	}
	return m.orientation()
}

// metadata has the parts of a file that may name an orientation.
type metadata struct{ exif, xmp []byte }

func (m *metadata) orientation() Orientation {
	if o := exifOrientation(m.exif); o != 0 {
		return o
	}
	return xmpOrientation(m.xmp)
}

const (
	exifPrefix = "Exif\x00\x00"
	xmpPrefix  = "http://ns.adobe.com/xap/1.0/\x00"
)

// segment reads an APP1 segment of a JPEG file. The first of each kind counts.
func (m *metadata) segment(s []byte) {
	switch {
	case m.exif == nil && bytes.HasPrefix(s, []byte(exifPrefix)):
		m.exif = s[len(exifPrefix):]
	case m.xmp == nil && bytes.HasPrefix(s, []byte(xmpPrefix)):
		m.xmp = s[len(xmpPrefix):]
	}
}

// png reads the chunks of a PNG file.
func (m *metadata) png(content []byte) {
	for rest := content[8:]; len(rest) >= 12; {
		n := int(binary.BigEndian.Uint32(rest))
		if n > len(rest)-12 {
			return
		}
		b := rest[8 : 8+n]
		switch string(rest[4:8]) {
		case "eXIf":
			m.exif = bytes.TrimPrefix(b, []byte(exifPrefix))
		case "tEXt", "zTXt", "iTXt":
			m.pngText(string(rest[4:8]), b)
		}
		rest = rest[12+n:]
	}
}

// pngText reads a text of a PNG file: XMP, or EXIF as ImageMagick and others wrote it before
// PNG had a chunk for it.
func (m *metadata) pngText(kind string, b []byte) {
	keyword, text, ok := bytes.Cut(b, []byte{0})
	if !ok {
		return
	}
	packed := kind == "zTXt"
	switch string(keyword) {
	case "XML:com.adobe.xmp":
		if kind != "iTXt" || len(text) < 2 {
			return
		}
		packed = text[0] == 1
		text = text[2:] // skip the language and the translated keyword, each ends with a zero
		for range 2 {
			if _, text, ok = bytes.Cut(text, []byte{0}); !ok {
				return
			}
		}
		m.xmp = inflated(text, packed)
	case rawEXIF:
		if m.exif != nil || kind == "iTXt" {
			return
		}
		if packed && len(text) > 0 {
			text = text[1:] // skip the method, there is only one
		}
		// The profile's name and its length have their own lines, then come hexadecimal digits.
		lines := bytes.SplitN(inflated(text, packed), []byte("\n"), 4)
		if len(lines) < 4 {
			return
		}
		digits := bytes.ReplaceAll(lines[3], []byte("\n"), nil)
		raw := make([]byte, hex.DecodedLen(len(digits)))
		n, _ := hex.Decode(raw, digits) // up to the first character that is not a digit
		m.exif = bytes.TrimPrefix(raw[:n], []byte(exifPrefix))
	}
}

const (
	rawEXIF     = "Raw profile type exif"
	maxMetadata = 1 << 20 // largest size of an unpacked text in bytes; the orientation is near its start
)

// inflated returns a text, unpacked if it is packed.
func inflated(text []byte, packed bool) []byte {
	if !packed {
		return text
	}
	r, err := zlib.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil
	}
	out, _ := io.ReadAll(io.LimitReader(r, maxMetadata)) // a damaged text gives its readable start
	return out
}

// webp reads the chunks of a WebP file.
func (m *metadata) webp(content []byte) {
	webpChunks(content, func(id string, b []byte) {
		switch id {
		case "EXIF":
			m.exif = bytes.TrimPrefix(b, []byte(exifPrefix))
		case "XMP ":
			m.xmp = b
		}
	})
}

// WithEXIF puts an orientation into a JPEG or PNG file that has none. An upright image needs
// none.
func WithEXIF(content []byte, format string, o Orientation) []byte {
	if o <= Upright {
		return content
	}
	// The big-endian header, one entry (tag 0x0112, a short, 1 value), and no next directory.
	exif := []byte("MM\x00\x2a\x00\x00\x00\x08\x00\x01" +
		"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x00\x00\x00" +
		"\x00\x00\x00\x00")
	exif[19] = byte(o)
	if format == "jpg" {
		exif = append([]byte(exifPrefix), exif...)
		const start = 2
		segment := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(2+len(exif)))
		return slices.Concat(content[:start], segment, exif, content[start:])
	}
	const start = 8 + 12 + 13 // signature and header
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(exif)))
	chunk = append(append(chunk, "eXIf"...), exif...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	return slices.Concat(content[:start], chunk, content[start:])
}
