package engine

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// window is how many parts travel at a time: while one is added up, the others are on their way.
const window = 4

// How long to pause between two looks at the messages. At first the goroutine only lets others run;
// then it sleeps for a fiftieth of the time in which nothing has arrived.
const (
	eagerLooks = 40
	shortPause = 20 * time.Microsecond
	longPause  = time.Millisecond
)

var errClosed = errors.New("the group of ranks is closed")

// engine is the state of the goroutine that owns the wire. Only this goroutine uses the fields from
// wire on.
type engine struct {
	options Options
	aborts  chan error
	ended   chan struct{}

	mu        sync.Mutex
	submitted []*operation
	closed    bool
	wake      chan struct{} // something was submitted

	wire       Wire
	rank, size int
	watch      *watch
	buffers    buffers

	entered uint64 // number of operations so far
	waiting []part // parts that wait for a place in the window, in order
	active  []part
	begun   int       // number of parts begun so far
	busy    time.Time // since when something is on its way
	counts  counters
	broken  error // the error of the wire, with which every later operation fails
	left    bool
}

// operation is one call of a method of Group, and the state of its wait.
type operation struct {
	kind  kind
	count int // how many numbers or bytes, for messages
	root  int
	parts []part

	number uint64
	since  time.Time
	open   int // parts that are not done
	err    error
	done   chan struct{}
}

// part is a part of an operation that travels by itself.
type part interface {
	// begin starts the first messages.
	begin(e *engine) error
	// advance checks the messages on their way, and starts the next ones.
	advance(e *engine) (progress, done bool, err error)
	of() *operation
	// release returns the memory to the buffers.
	release(e *engine)
}

func newOperation(k kind, count, root int) *operation {
	return &operation{kind: k, count: count, root: root, done: make(chan struct{})}
}

func (o *operation) wait() error {
	<-o.done
	return o.err
}

func (e *engine) submit(o *operation) {
	e.mu.Lock()
	closed := e.closed
	if !closed {
		e.submitted = append(e.submitted, o)
	}
	e.mu.Unlock()
	if closed {
		o.finish(errClosed)
		return
	}
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// take returns the operations that were submitted. With last it also closes the engine.
func (e *engine) take(last bool) []*operation {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := e.submitted
	e.submitted, e.closed = nil, last
	return all
}

func (o *operation) finish(err error) {
	o.err = err
	close(o.done)
}

// run does all work until the group is closed.
func (e *engine) run() {
	defer func() {
		for _, o := range e.take(true) { // submitted too late
			o.finish(errClosed)
		}
		close(e.ended)
	}()
	timer := time.NewTimer(0)
	idle, since := 0, time.Now()
	for !e.left {
		progress := e.accept()
		if e.advance() {
			progress = true
		}
		if !e.left {
			e.watch.turn(time.Now())
		}
		if progress {
			idle, since = 0, time.Now()
			continue
		}
		idle++
		if len(e.active) == 0 {
			timer.Reset(e.watch.interval / 4)
			select {
			case <-e.wake:
				idle, since = 0, time.Now()
			case reason := <-e.aborts:
				e.watch.abort(reason)
			case <-timer.C:
			}
			continue
		}
		if idle < eagerLooks {
			runtime.Gosched()
			continue
		}
		time.Sleep(min(max(time.Since(since)/50, shortPause), longPause))
	}
}

// accept takes the operations that were submitted.
func (e *engine) accept() (progress bool) {
	for _, o := range e.take(false) {
		e.enter(o)
		progress = true
	}
	select {
	case reason := <-e.aborts:
		e.watch.abort(reason)
	default:
	}
	return progress
}

func (e *engine) enter(o *operation) {
	e.entered++
	o.number, o.since = e.entered, time.Now()
	if e.left && e.broken == nil {
		e.broken = errClosed
	}
	if e.broken != nil {
		o.finish(e.broken)
		return
	}
	if o.kind == kindLeave {
		e.leave(o)
		return
	}
	e.watch.enter(o)
	e.counts.operations.Add(1)
	o.open = len(o.parts)
	e.waiting = append(e.waiting, o.parts...)
}

// advance begins parts while the window has room, and advances those on their way.
func (e *engine) advance() (progress bool) {
	for len(e.active) < window && len(e.waiting) > 0 && e.broken == nil {
		if len(e.active) == 0 {
			e.busy = time.Now()
		}
		p := e.waiting[0]
		e.waiting = e.waiting[1:]
		e.active = append(e.active, p)
		progress = true
		if err := p.begin(e); err != nil {
			e.fail(p.of(), err)
		}
	}
	for i := 0; i < len(e.active) && e.broken == nil; {
		p := e.active[i]
		moved, done, err := p.advance(e)
		progress = progress || moved
		if err != nil {
			e.fail(p.of(), err)
			break
		}
		if !done {
			i++
			continue
		}
		progress = true
		e.active = append(e.active[:i], e.active[i+1:]...)
		p.release(e)
		if len(e.active) == 0 {
			e.counts.transfer.Add(int64(time.Since(e.busy)))
		}
		if o := p.of(); o.open > 1 {
			o.open--
		} else {
			e.watch.finish(o)
			o.finish(nil)
		}
	}
	return progress
}

// fail ends all operations: messages of later ones could be taken for messages of the one that
// failed. It does not reuse the memory, because the wire may still write to it.
func (e *engine) fail(o *operation, err error) {
	e.broken = fmt.Errorf("%s: %w", o.describe(), err)
	e.drop()
}

// stop fails all operations and ends the goroutine.
func (e *engine) stop(err error) {
	e.broken, e.left = err, true
	e.drop()
}

func (e *engine) drop() {
	finished := map[*operation]bool{}
	for _, p := range append(e.active, e.waiting...) {
		if o := p.of(); !finished[o] {
			finished[o] = true
			o.finish(e.broken)
		}
	}
	e.active, e.waiting = nil, nil
}

func (e *engine) leave(o *operation) {
	for note := []byte{}; note != nil; { // read the last notes
		note, _ = e.wire.Noted()
	}
	e.buffers.free(e.wire)
	err := e.wire.Close()
	e.left = true
	o.finish(err)
}

// tags are the tags of a part. Parts begin in the same order on all ranks, but their second steps
// do not, so the number of the part keeps the parts on their way apart. The rest of the tag is for
// ranks that call different operations by mistake: their messages do not meet, and the ranks that
// watch notice it. Some MPI libraries write past the end of a memory that is too short for a
// message.
type tags int

func (e *engine) nextTags(o *operation) tags {
	const several = 16 // more than two windows of parts
	e.begun = (e.begun + 1) % several
	return tags(((o.sort()*several + e.begun) * 2) % TagLimit)
}

// sort returns a number for the kind and the length, below 8·64.
func (o *operation) sort() int {
	hash := uint32(o.count)
	if o.kind == kindGather { // its lengths differ
		hash = 0
	}
	return int(o.kind)*64 + int((hash+uint32(o.root)*31)*0x9E3779B1>>26)
}

func (t tags) step(n int) int { return int(t) + n }
