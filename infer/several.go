package infer

import (
	"context"
	"sync"
	"time"
)

// call is a call with several images, prepared by helpers.
type call struct {
	inputs sync.WaitGroup // inputs that a helper has or will get
	sent   []*request     // by the index of the image; nil after collecting
}

// help prepares the images of calls with several images.
func (m *Model) help() {
	for r := range m.jobs {
		tool := <-m.tools
		if !r.state.CompareAndSwap(queued, preparing) { // its caller has given up
			m.tools <- tool
			m.release(r)
			continue
		}
		m.prepareRequest(r, tool)
		m.tools <- tool
		c := r.call
		m.batcher.preparing.Add(-1)
		if r.err != nil {
			m.finish(r, preparing)
		} else {
			r.state.Store(waiting)
			m.batcher.prepared(m, r)
		}
		c.inputs.Done() // the last use of the input, and of the call
	}
}

// several computes the images of a call.
func (m *Model) several(ctx context.Context, in []Input, out []Output) error {
	c := m.calls.Get().(*call)
	c.sent = c.sent[:0]
	began := time.Now()
	oldest := 0 // the oldest image that is not collected yet
	collect := func() error {
		r := c.sent[oldest]
		c.sent[oldest] = nil
		oldest++
		return m.collect(r, &out[oldest-1])
	}
	for i := range in {
		for len(c.sent) == i {
			var done chan struct{}
			if oldest < len(c.sent) {
				done = c.sent[oldest].done
			}
			select {
			case r := <-m.free:
				r.reset(i, &in[i], out[i].WithFeatures, began)
				r.call = c
				c.sent = append(c.sent, r)
				c.inputs.Add(1)
				m.batcher.preparing.Add(1)
				m.jobs <- r // it has room for all requests
			case <-done: // this call must not wait for room that it takes itself
				if err := collect(); err != nil {
					return m.giveUp(c, err)
				}
			case <-ctx.Done():
				return m.giveUp(c, ctx.Err())
			}
		}
	}
	for oldest < len(c.sent) {
		select {
		case <-c.sent[oldest].done:
			if err := collect(); err != nil {
				return m.giveUp(c, err)
			}
		case <-ctx.Done():
			return m.giveUp(c, ctx.Err())
		}
	}
	c.inputs.Wait()
	m.calls.Put(c)
	return nil
}

// giveUp ends a call that no longer waits for its images. It returns when no helper reads an input
// any more.
func (m *Model) giveUp(c *call, err error) error {
	for i, r := range c.sent {
		if r != nil && r.state.CompareAndSwap(queued, abandoned) {
			m.batcher.preparing.Add(-1)
			c.inputs.Done()
			c.sent[i] = nil
		}
	}
	c.inputs.Wait()
	for _, r := range c.sent {
		if r != nil {
			m.abandon(r)
		}
	}
	clear(c.sent)
	m.calls.Put(c)
	return err
}
