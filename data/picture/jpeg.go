package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/jpeg"

	"fasternet/kernels"

	"github.com/gen2brain/jpegn"
)

// jpegHeader is what a JPEG file says before its first scan.
type jpegHeader struct {
	height, width int
	channels      int         // 1 or 3, of the decoded image
	fast          bool        // the fast decoder is known to decode it right
	inks          bool        // four colours, for printing
	subsampled    bool        // with four colours: the second and third have fewer samples than pixels
	adobe         int         // the transform that Adobe's segment names; -1 without one
	scan          int         // where the marker of the first scan is
	rows          int         // where the height is, if the first scan has everything; or 0
	orientation   Orientation // 0 if the file has none
}

// parseJPEG reads the segments of a JPEG file up to its first scan. It is an error when there
// is no end marker after the scan: the fast decoder would invent the missing pixels.
func parseJPEG(b []byte) (h jpegHeader, err error) {
	h.adobe = -1
	frame := false
	var m metadata
	var ids, sampling [4]byte
	components, progressive := 0, false
	for at := 2; ; {
		for at < len(b) && b[at] != 0xff {
			at++ // skip garbage between segments, as all decoders do
		}
		for at < len(b) && b[at] == 0xff {
			at++
		}
		if at >= len(b) {
			return h, errTruncated
		}
		marker := b[at]
		at++
		if marker == 0 || marker == 1 || marker >= 0xd0 && marker <= 0xd8 { // without content
			continue
		}
		if marker == 0xd9 {
			return h, errors.New("a JPEG file without an image")
		}
		if at+2 > len(b) {
			return h, errTruncated
		}
		n := int(binary.BigEndian.Uint16(b[at:]))
		if n < 2 {
			return h, errors.New("a JPEG segment of impossible length")
		}
		if at+n > len(b) {
			return h, errTruncated
		}
		s := b[at+2 : at+n]
		at += n
		switch {
		case marker == 0xda: // the scan
			if !frame {
				return h, errors.New("a JPEG scan without a frame")
			}
			if bytes.LastIndex(b[at:], []byte{0xff, 0xd9}) < 0 {
				return h, errTruncated
			}
			if err := checkRoom("jpg", h.height, h.width, len(b)); err != nil {
				return h, err
			}
			h.channels = 3
			if components == 1 {
				h.channels = 1
			}
			h.inks, h.subsampled, h.scan = components == 4, sampling[1] != sampling[0], at-n-2
			if progressive || !wholeScan(s, ids[:components]) {
				h.rows = 0
			}
			h.fast = h.fast && fastComponents(components, ids, sampling, h.adobe)
			h.orientation = m.orientation()
			return h, nil
		case marker == 0xe1:
			m.segment(s)
		case marker == 0xee && len(s) >= 12 && string(s[:5]) == "Adobe":
			h.adobe = int(s[11])
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
			if len(s) < 6 || len(s) < 6+3*int(s[5]) || s[5] > 4 {
				return h, errors.New("a JPEG frame of impossible length")
			}
			frame = true
			if kind := unreadJPEG(marker, s[0]); kind != "" {
				return h, fmt.Errorf("a JPEG image %s, which is not supported; %w", kind, ErrConvert)
			}
			h.fast, progressive, h.rows = true, marker == 0xc2, at-n+3
			h.height, h.width = int(binary.BigEndian.Uint16(s[1:])), int(binary.BigEndian.Uint16(s[3:]))
			components = int(s[5])
			for c := range components {
				ids[c], sampling[c] = s[6+3*c], s[7+3*c]
			}
		}
	}
}

// unreadJPEG says why a frame with this marker and this number of bits is not decoded; "" if
// it is.
func unreadJPEG(marker, bits byte) string {
	switch {
	case marker == 0xc3:
		return "that is coded without loss"
	case marker >= 0xc9:
		return "with arithmetic coding"
	case marker > 0xc2:
		return "that is coded hierarchically"
	case bits != 8:
		return fmt.Sprintf("of %d bits a colour", bits)
	}
	return ""
}

// fastComponents accepts grey, and YCbCr with the usual sampling of chroma.
func fastComponents(n int, ids, sampling [4]byte, adobe int) bool {
	switch n {
	case 1:
		return true
	case 3:
		if adobe == 0 || string(ids[:3]) == "RGB" {
			return false
		}
		luma := sampling[0]
		if sampling[1] != 0x11 || sampling[2] != 0x11 {
			return false
		}
		return luma == 0x11 || luma == 0x21 || luma == 0x22 || luma == 0x12
	}
	return false
}

// decodeJPEG decodes a whole file.
func (how Decoding) decodeJPEG(content []byte) (*Image, error) {
	h, err := parseJPEG(content)
	if err != nil {
		return nil, err
	}
	if err := how.checkSize(h.height, h.width); err != nil {
		return nil, err
	}
	m := new(Image)
	var d jpegDecoder
	if err := d.decode(m, content, h, Box{0, 0, h.height, h.width}, h.channels); err != nil {
		return nil, err
	}
	return m, nil
}

// jpegDecoder decodes parts of JPEG files. It reuses its memory.
type jpegDecoder struct {
	reader  bytes.Reader
	options jpegn.Options
	cb, cr  []uint8 // rows of chroma, as long as the rows of luma
	webp    bool    // the planes come from WebP, which always interpolates chroma
}

// decode makes m the part of a JPEG file in box, with the given number of channels. It
// converts only this part of the planes.
func (d *jpegDecoder) decode(m *Image, content []byte, h jpegHeader, box Box, channels int) error {
	return d.decodeScaled(m, content, h, box, channels, 1)
}

// decodeScaled is decode for a part of the image made smaller by 2, 4 or 8. The header must
// be fast.
func (d *jpegDecoder) decodeScaled(m *Image, content []byte, h jpegHeader, box Box, channels, by int) error {
	d.reader.Reset(content)
	height := h.decodedRows(box, by)
	src, err := safely(func() (image.Image, error) {
		if h.inks {
			return jpeg.Decode(rawInks(content, h))
		}
		if !h.fast {
			return jpeg.Decode(&d.reader)
		}
		// The fast decoder returns the planes of the file.
		d.options.ScaleDenom = by
		if height < h.height {
			return jpegn.Decode(newUpperRows(content, h, height), &d.options)
		}
		return jpegn.Decode(&d.reader, &d.options)
	})
	d.reader.Reset(nil)
	if err != nil {
		if h.inks && errors.As(err, new(jpeg.UnsupportedError)) {
			err = fmt.Errorf("a JPEG image of four colours that are sampled in an unusual way, "+
				"which is not supported (%w)", err)
		}
		return decodeError(err)
	}
	if b := src.Bounds(); b.Dx() != (h.width+by-1)/by || b.Dy() != (height+by-1)/by {
		return errors.New("the frames of the JPEG file differ in size")
	}
	switch src := src.(type) {
	case *image.YCbCr:
		if channels == 3 && d.planes(m, src, box, kernels.Default().YCbCrToRGB) {
			return nil
		}
	case *image.Gray:
		if channels == 1 {
			m.Reshape(box.Height, box.Width, 1)
			for y := range box.Height {
				copy(m.Row(y, 0, box.Width), src.Pix[(box.Top+y)*src.Stride+box.Left:])
			}
			return nil
		}
	}
	whole := d.whole(src, h)
	if whole.Channels != channels {
		var other Image
		Convert(&other, whole)
		whole = &other
	}
	m.Reshape(box.Height, box.Width, channels)
	CropPadded(m, whole, box.Top, box.Left)
	return nil
}

// whole converts a whole image, if no quicker way is possible.
func (d *jpegDecoder) whole(src image.Image, h jpegHeader) *Image {
	switch src := src.(type) {
	case *image.CMYK:
		return d.inks(src, h)
	case *image.YCbCr:
		m := new(Image)
		if d.planes(m, spread(src), Box{0, 0, src.Rect.Dy(), src.Rect.Dx()}, kernels.Default().YCbCrToRGB) {
			return m
		}
	}
	return fromStandard(src, Decoding{})
}

// planes makes m the part of src in box; toRGB makes the colours of a row. It returns false
// if it does not know how src is sampled.
func (d *jpegDecoder) planes(m *Image, src *image.YCbCr, box Box, toRGB func(rgb, y, cb, cr []uint8)) bool {
	var wide, high bool // a chroma sample covers two pixels
	switch src.SubsampleRatio {
	case image.YCbCrSubsampleRatio444:
	case image.YCbCrSubsampleRatio422:
		wide = true
	case image.YCbCrSubsampleRatio440:
		high = true
	case image.YCbCrSubsampleRatio420:
		wide, high = true, true
	default:
		return false
	}
	if src.Rect.Min != (image.Point{}) {
		return false
	}
	width, height := src.Rect.Dx(), src.Rect.Dy()
	chromaHeight, chromaWidth := height, width
	if high {
		chromaHeight = (height + 1) / 2
	}
	if wide {
		chromaWidth = (width + 1) / 2
	}
	// Take the samples of chroma that the box and its neighbours need, so that rows of a
	// part are upsampled like rows of the whole image.
	c0, c1 := box.Left, box.Left+box.Width
	if wide {
		c0, c1 = max(box.Left/2-1, 0), min((box.Left+box.Width+1)/2+1, chromaWidth)
	}
	d.cb, d.cr = grown(d.cb, 2*(c1-c0)), grown(d.cr, 2*(c1-c0))
	m.Reshape(box.Height, box.Width, 3)
	for y := range box.Height {
		at := box.Top + y
		near, far := at, at
		if high {
			near = at / 2
			far = min(max(near-1+2*(at%2), 0), chromaHeight-1)
		}
		row := func(plane, memory []uint8) []uint8 {
			n, f := plane[near*src.CStride:][c0:c1], plane[far*src.CStride:][c0:c1]
			switch {
			case wide && chromaWidth <= 2 && !d.webp:
				repeatWide(memory[:2*len(n)], n) // as libjpeg does for such narrow images
			case wide && high:
				kernels.Default().UpsampleChroma(memory[:2*len(n)], n, f)
			case wide:
				upsampleWide(memory[:2*len(n)], n)
			case high:
				upsampleHigh(memory, n, f, at%2)
				return memory[:box.Width]
			default:
				return n
			}
			return memory[box.Left-2*c0:][:box.Width]
		}
		luma := src.Y[at*src.YStride+box.Left:][:box.Width]
		toRGB(m.Row(y, 0, box.Width), luma, row(src.Cb, d.cb), row(src.Cr, d.cr))
	}
	return true
}

// grown returns a slice of n values, in the memory of b if it is large enough.
func grown(b []uint8, n int) []uint8 {
	if cap(b) < n {
		return make([]uint8, n)
	}
	return b[:n]
}
