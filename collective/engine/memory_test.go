package engine

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// network joins the ranks of a test in one process.
type network struct {
	mu      sync.Mutex
	queues  map[lane][][]byte
	notes   [][][]byte // by rank
	aborted chan int
	stopped []bool // ranks that stand still
}

type lane struct{ from, to, tag int }

type memoryWire struct {
	n          *network
	rank, size int
}

func (w *memoryWire) Rank() int                   { return w.rank }
func (w *memoryWire) Size() int                   { return w.size }
func (w *memoryWire) Alloc(n int) ([]byte, error) { return make([]byte, n), nil }
func (w *memoryWire) Free([]byte)                 {}
func (w *memoryWire) Close() error                { return nil }

func (w *memoryWire) Abort(int) {
	select {
	case w.n.aborted <- w.rank:
	default:
	}
}

// stand returns when the rank is not stopped.
func (w *memoryWire) stand() {
	for stopped := true; stopped; {
		w.n.mu.Lock()
		stopped = w.n.stopped[w.rank]
		w.n.mu.Unlock()
		if stopped {
			time.Sleep(50 * time.Millisecond)
		}
	}
}

type memoryTransfer struct {
	w    *memoryWire
	open []Message
}

func (w *memoryWire) Start(messages []Message) (Transfer, error) {
	w.n.mu.Lock()
	defer w.n.mu.Unlock()
	t := &memoryTransfer{w: w}
	for _, m := range messages {
		if m.Tag < 0 || m.Tag >= TagLimit || m.Peer < 0 || m.Peer >= w.size || m.Peer == w.rank {
			return nil, fmt.Errorf("a message of tag %d to or from rank %d", m.Tag, m.Peer)
		}
		if m.Send {
			l := lane{w.rank, m.Peer, m.Tag}
			w.n.queues[l] = append(w.n.queues[l], append([]byte(nil), m.Data...))
		} else {
			t.open = append(t.open, m)
		}
	}
	return t, nil
}

var errLength = errors.New("truncated")

func (t *memoryTransfer) Done() (bool, error) {
	n := t.w.n
	t.w.stand()
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(t.open) > 0 {
		m := t.open[0]
		l := lane{m.Peer, t.w.rank, m.Tag}
		if len(n.queues[l]) == 0 {
			return false, nil
		}
		if len(n.queues[l][0]) != len(m.Data) {
			return false, errLength
		}
		copy(m.Data, n.queues[l][0])
		n.queues[l] = n.queues[l][1:]
		t.open = t.open[1:]
	}
	return true, nil
}

func (w *memoryWire) Note(to int, text []byte) error {
	w.stand()
	w.n.mu.Lock()
	defer w.n.mu.Unlock()
	w.n.notes[to] = append(w.n.notes[to], text)
	return nil
}

func (w *memoryWire) Noted() ([]byte, error) {
	w.stand()
	w.n.mu.Lock()
	defer w.n.mu.Unlock()
	if len(w.n.notes[w.rank]) == 0 {
		return nil, nil
	}
	b := w.n.notes[w.rank][0]
	w.n.notes[w.rank] = w.n.notes[w.rank][1:]
	return b, nil
}

// job has the ranks of a test.
type job struct {
	n        *network
	groups   []*Group
	messages chan string
}

func newJob(t *testing.T, ranks int, timeout time.Duration) *job {
	t.Helper()
	j, err := join(ranks, timeout)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func join(ranks int, timeout time.Duration) (*job, error) {
	j := &job{
		n: &network{
			queues: map[lane][][]byte{}, notes: make([][][]byte, ranks),
			aborted: make(chan int, ranks), stopped: make([]bool, ranks),
		},
		groups:   make([]*Group, ranks),
		messages: make(chan string, 2*ranks),
	}
	errs := j.each(func(r int) (err error) {
		dial := func() (Wire, error) { return &memoryWire{n: j.n, rank: r, size: ranks}, nil }
		j.groups[r], err = Open(
			dial, fmt.Sprintf("node%d", r/2),
			Options{Timeout: timeout, Fail: func(m string) { j.messages <- m }},
		)
		return err
	})
	return j, errors.Join(errs...)
}

// each calls f for all ranks at the same time.
func (j *job) each(f func(rank int) error) []error {
	errs := make([]error, len(j.groups))
	var wg sync.WaitGroup
	for r := range j.groups {
		wg.Go(func() { errs[r] = f(r) })
	}
	wg.Wait()
	return errs
}

// halt ends the goroutines of all ranks.
func (j *job) halt() {
	_ = j.each(func(r int) error {
		e := j.groups[r].e
		select {
		case e.aborts <- errHalt:
		case <-e.ended:
		}
		<-e.ended
		return nil
	})
}

// stop makes a rank stand still until the end of the test.
func (j *job) stop(t *testing.T, rank int) {
	set := func(stopped bool) {
		j.n.mu.Lock()
		j.n.stopped[rank] = stopped
		j.n.mu.Unlock()
	}
	set(true)
	t.Cleanup(func() { set(false) })
}
