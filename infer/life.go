package infer

import "sync"

// life counts the calls in progress, so that a model ends only after them.
type life struct {
	mu     sync.Mutex
	calls  int
	closed bool
	idle   chan struct{} // closed when no call is in progress; nil before close
	ended  chan struct{} // closed when the model has ended; nil before close
}

// begin counts a call, unless the model is closed.
func (l *life) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.calls++
	return true
}

func (l *life) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls--; l.closed && l.calls == 0 {
		close(l.idle)
	}
}

// close runs end after the last call, once. Everybody who calls it waits until end has returned.
func (l *life) close(end func()) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		<-l.ended
		return
	}
	l.closed, l.idle, l.ended = true, make(chan struct{}), make(chan struct{})
	if l.calls == 0 {
		close(l.idle)
	}
	l.mu.Unlock()
	<-l.idle
	end()
	close(l.ended)
}
