//go:build mpi && linux && (amd64 || arm64)

package mpi

import (
	"errors"
	"fmt"
	"math"
	"unsafe"

	"fasternet/collective/engine"
)

// tagNote is the tag of notes; the tags of messages are smaller.
const tagNote = engine.TagLimit

// wire is MPI's MPI_COMM_WORLD.
type wire struct {
	lib        *library
	rank, size int

	noteMemory []byte // room to send a note to each rank, and to receive one
	notes      []transfer
}

// start initialises MPI on this thread, which also makes all later calls.
func (l *library) start() (*wire, error) {
	const funneled = 1
	var provided int32
	if err := l.call(initThread, 0, 0, funneled, uintptr(unsafe.Pointer(&provided))); err != nil {
		return nil, err
	}
	w := &wire{lib: l}
	var rank, size int32
	err := errors.Join(
		l.call(commSetErrhandler, l.world, l.errorsReturn), // return errors, do not end the process
		l.call(commRank, l.world, uintptr(unsafe.Pointer(&rank))),
		l.call(commSize, l.world, uintptr(unsafe.Pointer(&size))),
	)
	if err != nil {
		return nil, err
	}
	if provided < funneled {
		return nil, errors.New("this MPI does not support programs with several threads")
	}
	w.rank, w.size = int(rank), int(size)
	w.notes = make([]transfer, w.size)
	w.noteMemory, err = w.Alloc((w.size + 1) * engine.MaxNote)
	return w, err
}

// Rank implements engine.Wire.
func (w *wire) Rank() int { return w.rank }

// Size implements engine.Wire.
func (w *wire) Size() int { return w.size }

// Alloc implements engine.Wire.
func (w *wire) Alloc(n int) ([]byte, error) {
	var p unsafe.Pointer
	if err := w.lib.call(allocMem, uintptr(n), w.lib.infoNull, uintptr(unsafe.Pointer(&p))); err != nil {
		return nil, err
	}
	if p == nil {
		return nil, fmt.Errorf("MPI_Alloc_mem returned no memory for %d bytes", n)
	}
	return unsafe.Slice((*byte)(p), n), nil
}

// Free implements engine.Wire.
func (w *wire) Free(b []byte) {
	_ = w.lib.call(freeMem, uintptr(unsafe.Pointer(unsafe.SliceData(b)))) // a failure does no harm
}

// transfer has MPI's requests for a set of messages.
type transfer struct {
	w        *wire
	requests []uint64 // room for n requests of either size
	n        int
	statuses []int32
}

// statusSize is the size of an MPI_Status in bytes, or more.
const statusSize = 24

// Start implements engine.Wire. It posts all receives before it sends, so that every message finds
// its place.
func (w *wire) Start(messages []engine.Message) (engine.Transfer, error) {
	t := &transfer{w: w, requests: make([]uint64, len(messages))}
	for _, send := range []bool{false, true} {
		for _, m := range messages {
			if m.Send != send {
				continue
			}
			function := irecv
			if send {
				function = isend
			}
			if err := t.add(function, m.Data, m.Peer, m.Tag); err != nil {
				return nil, err
			}
		}
	}
	return t, nil
}

func (t *transfer) add(function int, data []byte, peer, tag int) error {
	if len(data) > math.MaxInt32 {
		return fmt.Errorf("a message of %d bytes", len(data))
	}
	l := t.w.lib
	request := unsafe.Add(unsafe.Pointer(&t.requests[0]), t.n*l.requestSize)
	t.n++
	memory := uintptr(unsafe.Pointer(unsafe.SliceData(data)))
	return l.call(function, memory, uintptr(len(data)), l.bytes,
		uintptr(peer), uintptr(tag), l.world, uintptr(request))
}

// Done implements engine.Transfer.
func (t *transfer) Done() (bool, error) {
	if t.n == 0 {
		return true, nil
	}
	var flag int32
	l := t.w.lib
	if t.statuses == nil {
		t.statuses = make([]int32, len(t.requests)*statusSize/4)
	}
	err := l.call(testall, uintptr(t.n),
		uintptr(unsafe.Pointer(&t.requests[0])),
		uintptr(unsafe.Pointer(&flag)),
		uintptr(unsafe.Pointer(&t.statuses[0])))
	if err != nil {
		return false, t.explain(err)
	}
	if flag == 0 {
		return false, nil
	}
	t.n = 0
	return true, nil
}

// explain finds the error of the message that failed: MPI_Testall only says that one did.
func (t *transfer) explain(err error) error {
	// Open MPI's status is source, tag, error, … MPI_ERR_PENDING marks a message that has neither
	// failed nor arrived.
	step, at, pending := 6, 2, int32(19)
	if t.w.lib.requestSize == 4 {
		step, at, pending = 5, 4, 18 // MPICH's is count, count, source, tag, error
	}
	for i := range t.n {
		code := t.statuses[i*step+at]
		if code != 0 && code&0x7f != pending { // MPICH keeps the class of a code in its lowest bits
			return fmt.Errorf("%s: %s", names[testall], t.w.lib.explain(code))
		}
	}
	return err
}

// Note implements engine.Wire.
func (w *wire) Note(to int, text []byte) error {
	t := &w.notes[to]
	if t.w == nil {
		*t = transfer{w: w, requests: make([]uint64, 1)}
	}
	if done, err := t.Done(); err != nil || !done {
		return err
	}
	place := w.noteMemory[to*engine.MaxNote:][:engine.MaxNote]
	clear(place[copy(place, text):])
	return t.add(isend, place, to, tagNote)
}

// Noted implements engine.Wire.
func (w *wire) Noted() ([]byte, error) {
	l := w.lib
	var flag int32
	from := uintptr(l.anySource)
	err := l.call(iprobe, from, tagNote, l.world, uintptr(unsafe.Pointer(&flag)), l.statusIgnore)
	if err != nil || flag == 0 {
		return nil, err
	}
	// The note has arrived: this does not wait. Notes are padded with zeros, so that nobody needs the
	// length in the status, whose layout differs.
	place := w.noteMemory[w.size*engine.MaxNote:][:engine.MaxNote]
	err = l.call(recv, uintptr(unsafe.Pointer(&place[0])), engine.MaxNote, l.bytes,
		from, tagNote, l.world, l.statusIgnore)
	if err != nil {
		return nil, err
	}
	n := len(place)
	for n > 0 && place[n-1] == 0 {
		n--
	}
	return append([]byte(nil), place[:n]...), nil
}

// Abort implements engine.Wire.
func (w *wire) Abort(code int) { _ = w.lib.call(abort, w.lib.world, uintptr(code)) }

// Close implements engine.Wire.
func (w *wire) Close() error {
	for i := range w.notes { // the last notes may be on their way; MPI_Finalize carries them
		if w.notes[i].w != nil {
			_, _ = w.notes[i].Done()
		}
	}
	return w.lib.call(finalize)
}
