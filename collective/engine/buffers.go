package engine

import "math/bits"

// buffers keeps the memory of the wire, by powers of two: messages never lie in Go's own
// memory. Networks with remote direct memory access remember what they have registered by
// watching the C library give memory back; Go gives it back without its knowledge.
type buffers struct {
	idle map[int][][]byte // by the power of two
}

func (b *buffers) get(w Wire, n int) ([]byte, error) {
	class := bits.Len(uint(max(n, 1<<10) - 1))
	if list := b.idle[class]; len(list) > 0 {
		last := list[len(list)-1]
		b.idle[class] = list[:len(list)-1]
		return last[:n], nil
	}
	buffer, err := w.Alloc(1 << class)
	if err != nil {
		return nil, err
	}
	return buffer[:n], nil
}

func (b *buffers) put(buffer []byte) {
	if cap(buffer) == 0 {
		return
	}
	if b.idle == nil {
		b.idle = map[int][][]byte{}
	}
	buffer = buffer[:cap(buffer)]
	class := bits.Len(uint(len(buffer) - 1))
	b.idle[class] = append(b.idle[class], buffer)
}

func (b *buffers) free(w Wire) {
	for _, list := range b.idle {
		for _, buffer := range list {
			w.Free(buffer)
		}
	}
	b.idle = nil
}
