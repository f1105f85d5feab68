package engine

import (
	"unsafe"

	"fasternet/kernels"
)

// A sum of few bytes goes to all ranks at once, and each adds everything up: messages travel once,
// not twice. directBytes is the largest size for this; directTotal limits the bytes of all ranks.
const (
	directBytes = 16 << 10
	directTotal = 1 << 20
)

// partBytes returns the largest size of the parts of a long operation.
func partBytes(ranks int) int { return min(8<<20*max(1, ranks/8), 32<<20) }

// cut returns the length of the equal parts into which n numbers of a width are cut. There are
// enough parts to fill the window, so that one is spread while another is collected. But they are
// not so small that a message costs more than its content.
func cut(n, width, ranks int) int {
	bytes := n * width
	needed := (bytes + partBytes(ranks) - 1) / partBytes(ranks)
	least := max(512<<10, ranks*(32<<10)) // bytes of a part that are worth a message
	parts := max(1, needed, min(window, bytes/least))
	return (n + parts - 1) / parts
}

type number interface{ float32 | float64 }

// sumPart is a part of a sum. Piece i of its numbers belongs to rank i: every rank sends piece i to
// rank i, which adds the pieces in the order of the ranks and sends the sum to all. So each number is
// added up once, in one order, and has the same bits everywhere. A rank sends and receives 2·(n−1)/n
// of the data, which is the least possible.
type sumPart[T number] struct {
	o      *operation
	x      []T
	direct bool
	tags   tags

	send, receive []byte
	transfer      Transfer
	gathering     bool // the sums are being sent
}

func newSum[T number](x []T, k kind, ranks int) *operation {
	o := newOperation(k, len(x), 0)
	width := int(unsafe.Sizeof(*new(T)))
	if n := len(x) * width; n <= directBytes && n*ranks <= directTotal {
		o.parts = []part{&sumPart[T]{o: o, x: x, direct: true}}
		return o
	}
	for most := cut(len(x), width, ranks); len(x) > 0; {
		n := min(most, len(x))
		o.parts = append(o.parts, &sumPart[T]{o: o, x: x[:n]})
		x = x[n:]
	}
	return o
}

func (s *sumPart[T]) of() *operation { return s.o }

// piece returns the numbers that belong to a rank.
func (s *sumPart[T]) piece(e *engine, rank int) []T {
	if s.direct {
		return s.x
	}
	return s.x[rank*len(s.x)/e.size : (rank+1)*len(s.x)/e.size]
}

func (s *sumPart[T]) begin(e *engine) (err error) {
	s.tags = e.nextTags(s.o)
	mine := headerSize + len(asBytes(s.piece(e, e.rank)))
	slot := (mine + 7) &^ 7
	if s.receive, err = e.buffers.get(e.wire, max(slot*e.size, len(asBytes(s.x)))); err != nil {
		return err
	}
	if s.send, err = e.buffers.get(e.wire, len(asBytes(s.x))+e.size*(headerSize+8)); err != nil {
		return err
	}
	var messages []Message
	at := 0
	for i := range e.size - 1 {
		// Every rank begins with its neighbour, so that no rank gets all messages at once.
		to, from := (e.rank+i+1)%e.size, (e.rank+e.size-i-1)%e.size
		out := s.send[at:]
		if !s.direct || i == 0 {
			putHeader(out, s.o)
			n := headerSize + copy(out[headerSize:], asBytes(s.piece(e, to)))
			out, at = out[:n], at+(n+7)&^7
		} else {
			out = s.send[:mine]
		}
		messages = append(messages,
			Message{Peer: from, Tag: s.tags.step(0), Data: s.receive[from*slot:][:mine]},
			Message{Peer: to, Send: true, Tag: s.tags.step(0), Data: out})
	}
	s.transfer, err = e.start(messages)
	return err
}

func (s *sumPart[T]) advance(e *engine) (progress, done bool, err error) {
	if done, err = s.transfer.Done(); err != nil || !done {
		return false, false, err
	}
	if s.gathering {
		s.collect(e)
		return true, true, nil
	}
	if err = s.add(e); err != nil || s.direct {
		return true, true, err
	}
	s.gathering = true
	return true, false, s.spread(e)
}

// add adds up the pieces that have arrived, in the memory of what was sent.
func (s *sumPart[T]) add(e *engine) error {
	mine := s.piece(e, e.rank)
	slot := (headerSize + len(asBytes(mine)) + 7) &^ 7
	sum := asNumbers[T](s.send, len(mine))
	for r := range e.size {
		x := mine
		if r != e.rank {
			b := s.receive[r*slot:]
			if _, err := e.checkHeader(b, s.o, r); err != nil {
				return err
			}
			x = asNumbers[T](b[headerSize:], len(mine))
		}
		if r == 0 {
			copy(sum, x)
		} else {
			add(sum, x, s.direct)
		}
	}
	copy(mine, sum)
	return nil
}

// spread sends the sum of this rank's piece to all ranks.
func (s *sumPart[T]) spread(e *engine) (err error) {
	var messages []Message
	mine := s.send[:len(asBytes(s.piece(e, e.rank)))]
	for i := range e.size - 1 {
		to, from := (e.rank+i+1)%e.size, (e.rank+e.size-i-1)%e.size
		messages = append(messages,
			Message{Peer: from, Tag: s.tags.step(1), Data: s.landing(e, from)},
			Message{Peer: to, Send: true, Tag: s.tags.step(1), Data: mine})
	}
	s.transfer, err = e.start(messages)
	return err
}

// landing returns the memory where the sum of another rank's piece arrives: its place in the part,
// in the memory of what was received.
func (s *sumPart[T]) landing(e *engine, rank int) []byte {
	width := int(unsafe.Sizeof(*new(T)))
	return s.receive[rank*len(s.x)/e.size*width : (rank+1)*len(s.x)/e.size*width]
}

func (s *sumPart[T]) collect(e *engine) {
	for r := range e.size {
		if r != e.rank {
			copy(asBytes(s.piece(e, r)), s.landing(e, r))
		}
	}
}

func (s *sumPart[T]) release(e *engine) {
	e.buffers.put(s.send)
	e.buffers.put(s.receive)
}

// add computes sum += x. If every rank adds for itself, Go computes the sum, because its result is
// the same on every processor; kernels may treat denormals differently.
func add[T number](sum, x []T, everywhere bool) {
	if s, ok := any(sum).([]float32); ok && !everywhere {
		kernels.Default().Add(s, any(x).([]float32))
		return
	}
	for i, v := range x {
		sum[i] += v
	}
}

func asBytes[T number](x []T) []byte {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), len(x)*int(unsafe.Sizeof(x[0])))
}

// asNumbers returns the first n numbers of b, which must be aligned for them.
func asNumbers[T number](b []byte, n int) []T {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), n)
}
