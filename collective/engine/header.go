package engine

import (
	"encoding/binary"
	"fmt"
)

// kind says what an operation does.
type kind uint32

const (
	kindSum kind = 1 + iota
	kindSum64
	kindBroadcast
	kindGather
	kindBarrier
	kindQuiet
	kindLeave
)

// describe returns a name for an operation: "operation 12, the sum of 3000 numbers".
func (o *operation) describe() string { return describe(o.number, o.kind, o.count) }

func describe(number uint64, k kind, count int) string {
	var what string
	switch k {
	case kindSum:
		what = fmt.Sprintf("the sum of %d numbers", count)
	case kindSum64:
		what = fmt.Sprintf("the sum of %d numbers of 64 bits", count)
	case kindBroadcast:
		what = fmt.Sprintf("the broadcast of %d bytes", count)
	case kindGather:
		what = "a gathering"
	case kindBarrier:
		what = "a barrier"
	case kindQuiet, kindLeave:
		what = "the end"
	default:
		what = "something unknown"
	}
	return fmt.Sprintf("operation %d, %s", number, what)
}

// headerSize is the length of the header before the data in the first messages of a part. It shows
// when ranks have called different operations, if the tags do not. It is a multiple of 8, so that
// the numbers after it are aligned.
const headerSize = 24

// putHeader writes to which operation the data after it belong.
func putHeader(b []byte, o *operation) {
	binary.LittleEndian.PutUint64(b, o.number)
	binary.LittleEndian.PutUint32(b[8:], uint32(o.kind))
	binary.LittleEndian.PutUint32(b[12:], uint32(o.root))
	binary.LittleEndian.PutUint64(b[16:], uint64(o.count))
}

// checkHeader returns the count in a peer's header. It is an error when the peer has called another
// operation than this rank.
func (e *engine) checkHeader(b []byte, o *operation, peer int) (count int, err error) {
	number, k := binary.LittleEndian.Uint64(b), kind(binary.LittleEndian.Uint32(b[8:]))
	root, count := int(binary.LittleEndian.Uint32(b[12:])), int(binary.LittleEndian.Uint64(b[16:]))
	sameCount := k == kindGather || count == o.count // the lengths of a gathering differ
	if number != o.number || k != o.kind || root != o.root || !sameCount || count < 0 {
		return 0, fmt.Errorf("%s has come to %s", e.watch.name(peer), describe(number, k, count))
	}
	return count, nil
}
