package picture

// huffman decodes the codes of one table of a JPEG file.
type huffman struct {
	counts [16]uint8 // codes of 1, 2, … bits
	values []uint8   // in the order of the codes
	room   [256]uint8
	known  bool

	// quick has what begins with so many bits. The upper half of an entry is a whole coefficient, and
	// the lower bytes how many bits code and coefficient have and how many zeros come before it. If the
	// coefficient does not fit in, the upper half is 0, and the lower bytes are the length of the code
	// and its value. An entry of 0 is a longer code, or none.
	quick [1 << quickBits]uint32
	// several has, for the first bits of what is only skipped, as many whole coefficients as fit in: how
	// many bits they have, how many places they take, and whether the block ends with them; 0 for
	// none. It is made when a file has the table of the one before: else it is not worth it.
	several [1 << severalBits]uint16
	worth   bool
	// Codes of a length are below a limit, as the first bits of 16.
	limit [17]uint32
	shift [17]int32 // from a code to its place in values
}

const (
	quickBits   = 10
	severalBits = 11

	// The parts of an entry of several.
	severalUsed, severalPlaces, severalEnd = 31, 5, 15
)

// set makes the table of a definition. It reports whether there is one.
func (t *huffman) set(counts [16]uint8, values []uint8) bool {
	if t.known && t.counts == counts && string(t.values) == string(values) {
		if !t.worth { // most files have the tables of the one before
			t.combine()
		}
		return true
	}
	t.known = false
	if t.worth {
		t.several, t.worth = [1 << severalBits]uint16{}, false
	}
	t.counts, t.values = counts, t.room[:copy(t.room[:], values)]
	t.quick = [1 << quickBits]uint32{}
	code, k := uint32(0), 0
	for length := 1; length <= 16; length++ {
		n := int(counts[length-1])
		if code+uint32(n) > 1<<length {
			return false
		}
		t.shift[length] = int32(k) - int32(code)
		for range n {
			if length <= quickBits {
				t.fill(code, length, values[k])
			}
			code++
			k++
		}
		t.limit[length] = code << (16 - length)
		code <<= 1
	}
	t.known = true
	return true
}

// fill makes the entries that begin with a code.
func (t *huffman) fill(code uint32, length int, value uint8) {
	size := int(value & 15)
	left := quickBits - length
	for rest := range uint32(1) << left {
		e := uint32(value)<<8 | uint32(length)
		if size > 0 && size <= left {
			v := extend(uint64(rest>>(left-size)), size)
			e = uint32(v)<<16 | uint32(value>>4)<<8 | uint32(length+size)
		}
		t.quick[code<<left|rest] = e
	}
}

// combine makes the entries for several coefficients.
func (t *huffman) combine() {
	t.worth = true
	for w := range t.several {
		used, places, end := 0, 0, 0
		for end == 0 {
			e := t.quick[(w<<used&(1<<severalBits-1))>>(severalBits-quickBits)]
			bits, run := int(e&31), int(e>>8)&15
			whole := int32(e)>>16 != 0
			if e == 0 || used+bits > severalBits || !whole && e>>8 != 0 || whole && places+run+1 > 63 {
				break
			}
			used += bits
			if whole {
				places += run + 1
			} else {
				end = 1
			}
		}
		t.several[w] = uint16(used | places<<severalPlaces | end<<severalEnd)
	}
}

// long finds a code of more than quickBits bits at the start of 16. Length 0 is none.
func (t *huffman) long(bits uint32) (value uint8, length int) {
	for length = quickBits + 1; length <= 16; length++ {
		if bits < t.limit[length] {
			return t.values[int32(bits>>(16-length))+t.shift[length]], length
		}
	}
	return 0, 0
}

// extend is the coefficient of so many bits: the upper half of the values stands for themselves,
// the lower half for negative ones.
func extend(bits uint64, size int) int32 {
	v := int32(bits)
	if v < 1<<(size-1) {
		v += 1 - 1<<size
	}
	return v
}
