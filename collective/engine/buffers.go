package engine

import "math/bits"

// buffers keeps memory from the wire, by powers of two: messages are never in Go's own memory.
// Networks with remote direct memory access remember the memory that they have registered, and
// learn from the C library when memory is given back. Go gives memory back without the C library.
type buffers struct {
	idle map[int][][]byte // unused memory by its power of two
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
