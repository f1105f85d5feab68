package picture

import (
	"encoding/binary"
	"image"

	"fasternet/kernels"
)

// jpegBaseline decodes the part of a JPEG file that is needed: of the other blocks it reads the
// codes, and does not transform them. It knows sequential files with one scan, as nearly all are, and
// decodes a file only if all of it is as it should be. Everything else is left to the library, whose
// pixels it gives to the bit.
type jpegBaseline struct {
	tables [2][4]huffman // of first coefficients, and of the others
	quant  [4][64]int32  // in zigzag
	known  [4]bool       // of those

	planes   []jpegPlane
	interval int // units between restarts; 0 for none
	wide     int // units in a row
	high     int

	bits  jpegBits
	block kernels.DCTBlock
}

// jpegPlane is one of the colours.
type jpegPlane struct {
	id            byte
	across, down  int // blocks in a unit
	quant         *[64]int32
	first, others *huffman
	dc            int

	pixels []uint8 // of the part that is needed
	stride int
}

// decode decodes the units that box and the samples of chroma around it lie in. The box is then at
// a place in the image that is returned, which keeps its pixels until the next call.
func (d *jpegBaseline) decode(content []byte, h jpegHeader, box Box) (m image.Image, at Box, ok bool) {
	if h.width*h.height > len(content)*1024 { // the library says what is wrong
		return nil, box, false
	}
	scan, ok := d.header(content, h)
	if !ok {
		return nil, box, false
	}
	unitHeight, unitWidth := 8*d.planes[0].down, 8*d.planes[0].across
	d.wide, d.high = (h.width+unitWidth-1)/unitWidth, (h.height+unitHeight-1)/unitHeight
	const around = 4 // a sample of chroma on each side, and what rounding needs
	part := Box{Top: max(0, box.Top-around) / unitHeight, Left: max(0, box.Left-around) / unitWidth}
	part.Height = min(d.high, (box.Top+box.Height+around+unitHeight-1)/unitHeight) - part.Top
	part.Width = min(d.wide, (box.Left+box.Width+around+unitWidth-1)/unitWidth) - part.Left
	for i := range d.planes {
		p := &d.planes[i]
		p.stride = 8 * p.across * part.Width
		p.pixels = grown(p.pixels, 8*p.down*part.Height*p.stride)
	}
	if !d.scan(scan, part) {
		return nil, box, false
	}
	at = box
	at.Top -= part.Top * unitHeight
	at.Left -= part.Left * unitWidth
	bounds := image.Rect(0, 0, min(part.Width*unitWidth, h.width-part.Left*unitWidth), min(part.Height*unitHeight, h.height-part.Top*unitHeight))
	p := d.planes
	if len(p) == 1 {
		return &image.Gray{Pix: p[0].pixels, Stride: p[0].stride, Rect: bounds}, at, true
	}
	ratio := image.YCbCrSubsampleRatio444
	switch [2]int{p[0].across, p[0].down} {
	case [2]int{2, 1}:
		ratio = image.YCbCrSubsampleRatio422
	case [2]int{1, 2}:
		ratio = image.YCbCrSubsampleRatio440
	case [2]int{2, 2}:
		ratio = image.YCbCrSubsampleRatio420
	}
	return &image.YCbCr{Y: p[0].pixels, Cb: p[1].pixels, Cr: p[2].pixels, YStride: p[0].stride, CStride: p[1].stride, SubsampleRatio: ratio, Rect: bounds}, at, true
}

// header reads the segments up to the scan, and returns what follows them. It reports whether
// the file is one that is decoded here.
func (d *jpegBaseline) header(content []byte, h jpegHeader) (scan []byte, ok bool) {
	d.known, d.interval = [4]bool{}, 0
	defined := [2][4]bool{}
	frame := false
	var quants [3]byte
	for at := 2; at+4 <= len(content); {
		if content[at] != 0xff {
			return nil, false
		}
		marker, n := content[at+1], int(binary.BigEndian.Uint16(content[at+2:]))
		if n < 2 || at+2+n > len(content) {
			return nil, false
		}
		s := content[at+4 : at+2+n]
		at += 2 + n
		switch {
		case marker == 0xdb:
			ok = d.quantisation(s)
		case marker == 0xc4:
			ok = d.codes(s, &defined)
		case marker == 0xdd:
			if ok = len(s) == 2; ok {
				d.interval = int(binary.BigEndian.Uint16(s))
			}
		case marker == 0xc0 || marker == 0xc1:
			ok = !frame && d.frame(s, h, &quants)
			frame = true
		case marker == 0xda:
			return content[at:], frame && d.scanHeader(s, quants, &defined)
		default: // comments, and what applications write
			ok = marker >= 0xe0 && marker <= 0xef || marker == 0xfe
		}
		if !ok {
			return nil, false
		}
	}
	return nil, false
}

func (d *jpegBaseline) quantisation(s []byte) bool {
	for len(s) > 0 {
		if s[0] > 3 || len(s) < 65 { // tables of 16 bits are for images of more than 8
			return false
		}
		d.known[s[0]] = true
		for k, v := range s[1:65] {
			d.quant[s[0]][k] = int32(v)
		}
		s = s[65:]
	}
	return true
}

func (d *jpegBaseline) codes(s []byte, defined *[2][4]bool) bool {
	for len(s) > 0 {
		if len(s) < 17 || s[0]>>4 > 1 || s[0]&15 > 3 {
			return false
		}
		class, id := s[0]>>4, s[0]&15
		n := 0
		for _, c := range s[1:17] {
			n += int(c)
		}
		if n > 256 || len(s) < 17+n || !d.tables[class][id].set([16]uint8(s[1:17]), s[17:17+n]) {
			return false
		}
		defined[class][id] = true
		s = s[17+n:]
	}
	return true
}

// frame reads the planes, of which parseJPEG has found that they are sampled as usual.
func (d *jpegBaseline) frame(s []byte, h jpegHeader, quants *[3]byte) bool {
	if len(s) < 6 || s[0] != 8 || int(binary.BigEndian.Uint16(s[1:])) != h.height || int(binary.BigEndian.Uint16(s[3:])) != h.width {
		return false
	}
	n := int(s[5])
	if n != h.channels || len(s) != 6+3*n {
		return false
	}
	for len(d.planes) < 3 {
		d.planes = append(d.planes, jpegPlane{})
	}
	d.planes = d.planes[:n]
	for i := range d.planes {
		id, sampling, quant := s[6+3*i], s[7+3*i], s[8+3*i]
		if quant > 3 {
			return false
		}
		p := &d.planes[i]
		p.id, p.across, p.down, p.dc = id, int(sampling>>4), int(sampling&15), 0
		if n == 1 { // there is nothing that it could be sampled against
			p.across, p.down = 1, 1
		}
		quants[i] = quant
	}
	return true
}

func (d *jpegBaseline) scanHeader(s []byte, quants [3]byte, defined *[2][4]bool) bool {
	n := len(d.planes)
	if len(s) != 4+2*n || int(s[0]) != n || s[1+2*n] != 0 || s[2+2*n] != 63 || s[3+2*n] != 0 {
		return false
	}
	for i := range d.planes {
		p := &d.planes[i]
		first, others := s[2+2*i]>>4, s[2+2*i]&15
		if s[1+2*i] != p.id || first > 3 || others > 3 || !defined[0][first] || !defined[1][others] || !d.known[quants[i]] {
			return false
		}
		p.quant, p.first, p.others = &d.quant[quants[i]], &d.tables[0][first], &d.tables[1][others]
	}
	return true
}

// scan decodes all units, and makes pixels of those in part. It reports whether the scan is whole.
func (d *jpegBaseline) scan(content []byte, part Box) bool {
	marker, rest := d.bits.fill(content)
	left, restart := d.interval, byte(0xd0)
	for y := range d.high {
		for x := range d.wide {
			if d.interval > 0 {
				if left == 0 {
					if marker != restart {
						return false
					}
					marker, rest = d.bits.fill(rest)
					left, restart = d.interval, 0xd0|(restart+1)&7
					for i := range d.planes {
						d.planes[i].dc = 0
					}
				}
				left--
			}
			if marker == 0 {
				return false
			}
			unitY, unitX := y-part.Top, x-part.Left
			inside := unitY >= 0 && unitY < part.Height && unitX >= 0 && unitX < part.Width
			for i := range d.planes {
				p := &d.planes[i]
				for k := range p.across * p.down {
					if !inside {
						if !d.bits.skip(p.first, p.others, &p.dc) {
							return false
						}
						continue
					}
					at := 8*(unitY*p.down+k/p.across)*p.stride + 8*(unitX*p.across+k%p.across)
					if !d.pixels(p, p.pixels[at:]) {
						return false
					}
				}
			}
		}
	}
	return true
}

// pixels decodes a block. It reports whether that is whole.
func (d *jpegBaseline) pixels(p *jpegPlane, out []uint8) bool {
	more, ok := d.bits.block(p.first, p.others, p.quant, &p.dc, &d.block)
	if !ok {
		d.block = kernels.DCTBlock{}
		return false
	}
	const most = 1 << 13 // beyond that the library cuts it
	mean := int32(min(max(p.dc*int(p.quant[0]), -most), most))
	if more {
		d.block[0] = mean
		kernels.Default().InverseDCT(out, p.stride, &d.block)
		return true
	}
	// What the transform makes of the first coefficient alone.
	v := uint64(min(max((mean+4)>>3+128, 0), 255)) * 0x0101010101010101
	for y := range 8 {
		binary.LittleEndian.PutUint64(out[y*p.stride:], v)
	}
	return true
}
