package picture

import (
	"bytes"
	"encoding/binary"

	"fasternet/kernels"
)

// jpegBits reads the coefficients of a scan, or of the part of it up to a restart.
type jpegBits struct {
	data []byte // without stuffing, and with zeros behind the end
	end  int    // of what is in the file
	at   int    // byte that is read next
	bits uint64 // that are next, from the highest on
	n    uint   // how many of them are there; more may be, and are right
}

// Zeros behind the end: more than a block can take beyond it.
const bitsRoom = 512

// fill takes the data of a scan up to its next marker, and returns that and what follows it. Marker 0
// means that there is none.
func (r *jpegBits) fill(content []byte) (marker byte, rest []byte) {
	r.data, r.at, r.bits, r.n = r.data[:0], 0, 0, 0
	for {
		i := bytes.IndexByte(content, 0xff)
		if i < 0 || i+1 >= len(content) {
			return 0, nil
		}
		if content[i+1] != 0 {
			marker, rest = content[i+1], content[i+2:]
			r.data = append(r.data, content[:i]...)
			break
		}
		r.data = append(r.data, content[:i+1]...)
		content = content[i+2:]
	}
	r.end = len(r.data)
	r.data = append(r.data, make([]byte, bitsRoom)...)
	return marker, rest
}

// whole says whether no more bits were read than there are.
func (r *jpegBits) whole() bool { return 8*r.at-int(r.n) <= 8*r.end }

// block reads a block: its first coefficient, as the difference to the one before it, into dc, and
// the others, times quant, into out. It reports whether the block is whole.
func (r *jpegBits) block(first, others *huffman, quant *[64]int32, dc *int, out *kernels.DCTBlock) (more, ok bool) {
	diff, ok := r.first(first)
	if !ok {
		return false, false
	}
	*dc += diff
	data, at, bits, n := r.data, r.at, r.bits, r.n
	for k := uint(1); k < 64; {
		if n < 32 {
			bits |= binary.BigEndian.Uint64(data[at:]) >> (n & 63)
			at += int((63 - n) >> 3)
			n |= 56
		}
		e := others.quick[bits>>(64-quickBits)]
		if v := int32(e) >> 16; v != 0 {
			k += uint(e>>8) & 15
			if k > 63 {
				return false, false
			}
			used := uint(e & 31)
			bits, n = bits<<used, n-used
			out[place[k]] = v * quant[k]
			more = true
			k++
			continue
		}
		value, used := uint8(e>>8), uint(e&31)
		if e == 0 {
			var length int
			if value, length = others.long(uint32(bits >> 48)); length == 0 {
				return false, false
			}
			used = uint(length)
		}
		bits, n = bits<<used, n-used
		size := uint(value & 15)
		if size == 0 {
			if value == 0 { // the rest is zero
				break
			}
			if value != 0xf0 {
				return false, false
			}
			k += 16
			continue
		}
		if k += uint(value >> 4); k > 63 {
			return false, false
		}
		out[place[k]] = extend(bits>>(64-size), int(size)) * quant[k]
		bits, n = bits<<size, n-size
		more = true
		k++
	}
	r.at, r.bits, r.n = at, bits, n
	return more, r.whole()
}

// skip reads a block that is not needed but for its first coefficient.
func (r *jpegBits) skip(first, others *huffman, dc *int) (ok bool) {
	diff, ok := r.first(first)
	if !ok {
		return false
	}
	*dc += diff
	data, at, bits, n := r.data, r.at, r.bits, r.n
	for k := uint(1); k < 64; {
		if n < 32 {
			bits |= binary.BigEndian.Uint64(data[at:]) >> (n & 63)
			at += int((63 - n) >> 3)
			n |= 56
		}
		if e := others.several[bits>>(64-severalBits)]; e != 0 {
			end := uint(e) >> severalEnd
			if next := k + uint(e)>>severalPlaces&63; next+end <= 64 {
				used := uint(e) & severalUsed
				bits, n = bits<<used, n-used
				if k = next; end != 0 {
					break
				}
				continue
			}
		}
		e := others.quick[bits>>(64-quickBits)]
		used := uint(e & 31)
		if int32(e)>>16 != 0 {
			bits, n = bits<<used, n-used
			if k += uint(e>>8)&15 + 1; k > 64 {
				return false
			}
			continue
		}
		value := uint8(e >> 8)
		if e == 0 {
			var length int
			if value, length = others.long(uint32(bits >> 48)); length == 0 {
				return false
			}
			used = uint(length)
		}
		size := uint(value & 15)
		used += size
		bits, n = bits<<used, n-used
		if size == 0 {
			if value == 0 {
				break
			}
			if value != 0xf0 {
				return false
			}
			k += 16
			continue
		}
		if k += uint(value>>4) + 1; k > 64 {
			return false
		}
	}
	r.at, r.bits, r.n = at, bits, n
	return r.whole()
}

// first reads the first coefficient of a block, the difference to the one before it.
func (r *jpegBits) first(t *huffman) (diff int, ok bool) {
	if r.n < 32 {
		r.bits |= binary.BigEndian.Uint64(r.data[r.at:]) >> (r.n & 63)
		r.at += int((63 - r.n) >> 3)
		r.n |= 56
	}
	e := t.quick[r.bits>>(64-quickBits)]
	value, used := uint8(e>>8), uint(e&31)
	if v := int32(e) >> 16; v != 0 {
		r.bits, r.n = r.bits<<used, r.n-used
		return int(v), value == 0
	}
	if e == 0 {
		var length int
		if value, length = t.long(uint32(r.bits >> 48)); length == 0 {
			return 0, false
		}
		used = uint(length)
	}
	if value > 15 {
		return 0, false
	}
	size := uint(value)
	r.bits, r.n = r.bits<<used, r.n-used
	if size > 0 {
		diff = int(extend(r.bits>>(64-size), int(size)))
		r.bits, r.n = r.bits<<size, r.n-size
	}
	return diff, true
}

// place is where a kernel wants the coefficients, which a file has in zigzag.
var place = func() (p [64]uint8) {
	x, y, up := 0, 0, true
	for k := range p {
		p[k] = uint8(8*x + y)
		switch {
		case up && x == 7:
			y, up = y+1, false
		case up && y == 0:
			x, up = x+1, false
		case up:
			x, y = x+1, y-1
		case y == 7:
			x, up = x+1, true
		case x == 0:
			y, up = y+1, true
		default:
			x, y = x-1, y+1
		}
	}
	return p
}()
