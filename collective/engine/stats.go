package engine

import (
	"sync/atomic"
	"time"
)

// Stats says how much a rank has exchanged with the others so far.
type Stats struct {
	Operations int64
	Bytes      int64         // sent
	Transfer   time.Duration // time during which something was on its way
}

type counters struct{ operations, bytes, transfer atomic.Int64 }

// Stats returns the counts so far. Any goroutine may call it.
func (g *Group) Stats() Stats {
	c := &g.e.counts
	return Stats{c.operations.Load(), c.bytes.Load(), time.Duration(c.transfer.Load())}
}

// start is Wire.Start, and counts the bytes.
func (e *engine) start(messages []Message) (Transfer, error) {
	n := 0
	for _, m := range messages {
		if m.Send {
			n += len(m.Data)
		}
	}
	e.counts.bytes.Add(int64(n))
	return e.wire.Start(messages)
}
