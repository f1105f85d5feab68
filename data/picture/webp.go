package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"

	"golang.org/x/image/webp"
)

// decodeWebP decodes a WebP file. Of an animation it takes the first frame, on a black canvas.
func (how Decoding) decodeWebP(content []byte) (*Image, error) {
	a, err := animatedWebP(content)
	if err != nil || a == nil {
		if err == nil {
			return how.decodeWith(content, "webp", webp.DecodeConfig, webp.Decode)
		}
		return nil, err
	}
	// The header promises both a canvas and a frame: check both.
	if err := how.checkPromise("webp", image.Config{Width: a.width, Height: a.height}, content); err != nil {
		return nil, err
	}
	frame, err := how.decodeWith(a.frame, "webp", webp.DecodeConfig, webp.Decode)
	if err != nil {
		return nil, err
	}
	if frame.Height == a.height && frame.Width == a.width {
		return frame, nil
	}
	m := NewImage(a.height, a.width, frame.Channels)
	CropPadded(m, frame, -a.top, -a.left)
	return m, nil
}

// webpChunks visits the chunks of a WebP file. It stops at one that is cut off.
func webpChunks(content []byte, visit func(id string, b []byte)) {
	for rest := content[12:]; len(rest) >= 8; {
		n := int(binary.LittleEndian.Uint32(rest[4:]))
		if n > len(rest)-8 {
			return
		}
		visit(string(rest[:4]), rest[8:8+n])
		rest = rest[min(8+n+n&1, len(rest)):]
	}
}

// webpAnimation is the first frame of an animated WebP file.
type webpAnimation struct {
	width, height int    // of the canvas
	top, left     int    // of the frame on it
	frame         []byte // as a complete WebP file
}

// animatedWebP returns nil for a file that is not animated.
func animatedWebP(content []byte) (*webpAnimation, error) {
	const header, animated = 12, 1 << 1
	le24 := func(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }
	var a *webpAnimation
	for rest := content[header:]; len(rest) >= 8; {
		id, n := string(rest[:4]), int(binary.LittleEndian.Uint32(rest[4:]))
		if n > len(rest)-8 {
			if a != nil {
				return nil, errTruncated
			}
			return nil, nil // the decoder will say what is wrong
		}
		b := rest[8 : 8+n]
		switch {
		case id == "VP8X" && n >= 10 && b[0]&animated != 0:
			a = &webpAnimation{width: le24(b[4:]) + 1, height: le24(b[7:]) + 1}
		case id == "ANMF" && a != nil:
			if n < 16 {
				return nil, errors.New("a WebP frame of impossible length")
			}
			a.left, a.top = 2*le24(b), 2*le24(b[3:])
			width, height := le24(b[6:])+1, le24(b[9:])+1
			if a.left+width > a.width || a.top+height > a.height {
				return nil, errors.New("a WebP frame outside its canvas")
			}
			a.frame = stillWebP(width, height, b[16:])
			return a, nil
		}
		rest = rest[min(8+n+n&1, len(rest)):]
	}
	if a != nil {
		return nil, errTruncated
	}
	return nil, nil
}

// stillWebP makes a file from the chunks of a frame.
func stillWebP(width, height int, chunks []byte) []byte {
	const alpha = 1 << 4
	var flags byte
	if bytes.HasPrefix(chunks, []byte("ALPH")) {
		flags = alpha
	}
	b := []byte("RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00")
	b = append(b, flags, 0, 0, 0)
	for _, v := range []int{width - 1, height - 1} {
		b = append(b, byte(v), byte(v>>8), byte(v>>16))
	}
	b = append(b, chunks...)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
	return b
}

// fromWebP converts the planes of a lossy WebP image. Their luma is from 16 to 235 (RFC 6386),
// unlike in a JPEG file; Go's image libraries do not tell the two apart. It returns nil for
// other images: among the decoders of decodeWith only WebP's returns planes.
func fromWebP(src image.Image) *Image {
	if alpha, ok := src.(*image.NYCbCrA); ok {
		src = &alpha.YCbCr // alpha is dropped, as everywhere
	}
	planes, ok := src.(*image.YCbCr)
	if !ok {
		return nil
	}
	m := new(Image)
	b := planes.Bounds()
	if !(&jpegDecoder{webp: true}).planes(m, planes, Box{0, 0, b.Dy(), b.Dx()}, studioToRGB) {
		return nil
	}
	return m
}

// studioToRGB converts a row of pixels to RGB, whose luma has the range of television, with
// libwebp's arithmetic.
func studioToRGB(rgb, y, cb, cr []uint8) {
	for i := range y {
		luma, u, v := int(y[i])*19077>>8, int(cb[i]), int(cr[i])
		sums := [3]int{
			luma + v*26149>>8 - 14234,
			luma - u*6419>>8 - v*13320>>8 + 8708,
			luma + u*33050>>8 - 17685,
		}
		for c, sum := range sums {
			rgb[3*i+c] = uint8(min(max(sum>>6, 0), 255))
		}
	}
}
