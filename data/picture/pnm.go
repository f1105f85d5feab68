package picture

import (
	"bytes"
	"fmt"
	"math"
)

// decodePNM decodes the first image of a file of the Netpbm formats: PBM (black and white),
// PGM (grey) and PPM (RGB), as text (P1 to P3) or binary (P4 to P6). Values are scaled so
// that the largest one in the header becomes 255, and rounded as Pillow does. With Clip16Bit
// grey values of more than 8 bits are clipped instead, see [Decoding].
func decodePNM(content []byte, how Decoding) (*Image, error) {
	h, err := parsePNM(content)
	if err != nil {
		return nil, err
	}
	if err := how.checkSize(h.height, h.width); err != nil {
		return nil, err
	}
	if err := checkRoom("pnm", h.height, h.width, len(content)); err != nil {
		return nil, err
	}
	m := NewImage(h.height, h.width, h.channels)
	body := content[h.body:]
	switch {
	case h.text:
		return m, h.readText(m, body, h.scale(how))
	case h.bits:
		return m, readBits(m, body)
	}
	return m, h.readBinary(m, body, h.scale(how))
}

// pnmHeader is the start of a Netpbm file.
type pnmHeader struct {
	text, bits    bool // values are written as text; the image is black and white
	channels      int
	width, height int
	most          int // the largest value, 1 to 65535
	body          int // where the pixels start
}

func parsePNM(content []byte) (h pnmHeader, err error) {
	kind := int(content[1] - '0') // 1 to 6: Format has checked it
	h = pnmHeader{text: kind <= 3, bits: kind == 1 || kind == 4, channels: 1, most: 1}
	if kind == 3 || kind == 6 {
		h.channels = 3
	}
	t := pnmText{content, 2}
	for _, v := range []*int{&h.width, &h.height, &h.most} {
		if v == &h.most && h.bits {
			break
		}
		if *v, err = t.number(1 << 30); err != nil {
			return h, err
		}
	}
	if h.most < 1 || h.most > math.MaxUint16 {
		return h, fmt.Errorf("a PNM image with a largest value of %d; 1 to %d is needed", h.most, math.MaxUint16)
	}
	h.body = min(t.at+1, len(content)) // one white space character
	return h, nil
}

// scale returns the function that makes 8-bit values.
func (h *pnmHeader) scale(how Decoding) func(v int) uint8 {
	most, to := float64(h.most), 255.0
	if how.Clip16Bit && h.channels == 1 && h.most > 255 {
		to = math.MaxUint16
	}
	return func(v int) uint8 { return uint8(min(math.RoundToEven(float64(v)/most*to), 255)) }
}

func (h *pnmHeader) readBinary(m *Image, body []byte, scale func(v int) uint8) error {
	size := 1
	if h.most > 255 {
		size = 2
	}
	if len(body) < size*len(m.Pix) {
		return errTruncated
	}
	if h.most == 255 {
		copy(m.Pix, body)
		return nil
	}
	for i := range m.Pix {
		v := int(body[size*i])
		if size == 2 {
			v = v<<8 | int(body[2*i+1])
		}
		m.Pix[i] = scale(v)
	}
	return nil
}

func (h *pnmHeader) readText(m *Image, body []byte, scale func(v int) uint8) error {
	t := pnmText{body, 0}
	for i := range m.Pix {
		if h.bits { // digits may follow each other without a blank
			t.skip()
			if t.at >= len(body) {
				return errTruncated
			}
			if d := body[t.at]; d != '0' && d != '1' {
				return fmt.Errorf("a PBM image has 0 and 1, not %q", d)
			}
			m.Pix[i] = 255 * ('1' - body[t.at]) // 1 is black
			t.at++
			continue
		}
		v, err := t.number(h.most)
		if err != nil {
			return err
		}
		m.Pix[i] = scale(v)
	}
	return nil
}

// readBits reads rows of bits, padded to whole bytes; 1 is black.
func readBits(m *Image, body []byte) error {
	stride := (m.Width + 7) / 8
	if len(body) < stride*m.Height {
		return errTruncated
	}
	for y := range m.Height {
		row := m.Row(y, 0, m.Width)
		for x := range row {
			if body[y*stride+x/8]>>(7-x%8)&1 == 0 {
				row[x] = 255
			}
		}
	}
	return nil
}

// pnmText reads numbers between white space and comments.
type pnmText struct {
	text []byte
	at   int
}

// skip skips white space and comments. A comment ends with its line.
func (t *pnmText) skip() {
	for t.at < len(t.text) {
		switch t.text[t.at] {
		case ' ', '\t', '\n', '\v', '\f', '\r':
			t.at++
		case '#':
			if n := bytes.IndexAny(t.text[t.at:], "\r\n"); n >= 0 {
				t.at += n
			} else {
				t.at = len(t.text)
			}
		default:
			return
		}
	}
}

// number returns the next number, which must not be larger than most.
func (t *pnmText) number(most int) (int, error) {
	t.skip()
	first, v := t.at, 0
	for ; t.at < len(t.text) && '0' <= t.text[t.at] && t.text[t.at] <= '9'; t.at++ {
		if v = 10*v + int(t.text[t.at]-'0'); v > most {
			return 0, fmt.Errorf("a PNM image with a number above %d", most)
		}
	}
	switch {
	case t.at > first:
		return v, nil
	case t.at >= len(t.text):
		return 0, errTruncated
	}
	return 0, fmt.Errorf("a PNM image with %q in the place of a number", t.text[t.at])
}
