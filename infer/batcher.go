package infer

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"fasternet/data"
	"fasternet/graph"
)

// batcher computes prepared images, in its own goroutine.
type batcher struct {
	preparing atomic.Int32 // images that are being decoded, or are about to be
	queue     []*request   // prepared ones, the oldest first
	batch     []*request   // the batch in progress
	images    []float32    // the images of the batch
	timer     *time.Timer  // for maxDelay
	ended     chan struct{}
}

// start starts the goroutines of the model.
func (m *Model) start(tools []*data.Preparer) {
	// for the batch in progress, the batch that waits, and the images that are being prepared
	room := 2*m.maxBatch + 2*len(tools)
	m.free, m.jobs, m.ready = make(chan *request, room), make(chan *request, room), make(chan *request, room)
	m.tools = make(chan *data.Preparer, len(tools))
	m.calls.New = func() any { return new(call) }
	for range room {
		m.free <- &request{done: make(chan struct{}, 1)}
	}
	for _, t := range tools {
		m.tools <- t
		go m.help()
	}
	b := &m.batcher
	b.queue, b.batch, b.ended = make([]*request, 0, room), make([]*request, 0, m.maxBatch), make(chan struct{})
	b.images = make([]float32, m.maxBatch*m.values())
	b.timer = time.NewTimer(time.Hour)
	b.timer.Stop()
	go b.work(m)
}

// stop ends the goroutines. No call is in progress any more.
func (m *Model) stop() {
	close(m.jobs)
	close(m.ready)
	<-m.batcher.ended
	m.pool.Close()
}

// prepared hands over a request whose tensor is ready.
func (b *batcher) prepared(m *Model, r *request) { m.ready <- r } // it has room for all requests

// work computes until the model is closed. Abandoned requests may be left then.
func (b *batcher) work(m *Model) {
	defer close(b.ended)
	for {
		if len(b.queue) == 0 {
			r, ok := <-m.ready
			if !ok {
				return
			}
			b.queue = append(b.queue, r)
		}
		if !b.gather(m) {
			return
		}
		b.next(m)
	}
}

// gather takes the prepared requests that fit into a batch. It waits only for images that are
// being decoded, and at most maxDelay. It returns false when the model is closed.
func (b *batcher) gather(m *Model) bool {
	armed := false
	for len(b.queue) < m.maxBatch {
		select {
		case r, ok := <-m.ready:
			if !ok {
				return false
			}
			b.queue = append(b.queue, r)
			continue
		default:
		}
		if m.maxDelay == 0 || b.preparing.Load() == 0 {
			break
		}
		if !armed {
			b.timer.Reset(m.maxDelay)
			armed = true
		}
		select {
		case r, ok := <-m.ready:
			if !ok {
				return false
			}
			b.queue = append(b.queue, r)
		case <-b.timer.C:
			return true
		}
	}
	if armed {
		b.timer.Stop()
	}
	return true
}

// next computes the oldest request together with similar ones, as many as fill a compiled size.
func (b *batcher) next(m *Model) {
	features := b.queue[0].wantsFeatures
	like := 0
	for _, r := range b.queue {
		if r.wantsFeatures == features {
			like++
		}
	}
	size := m.fill(like)
	b.batch = b.batch[:0]
	left := b.queue[:0]
	for _, r := range b.queue {
		switch {
		case r.wantsFeatures != features || len(b.batch) == size:
			left = append(left, r)
		case r.state.CompareAndSwap(waiting, running):
			b.batch = append(b.batch, r)
		default: // its caller has gone
			m.release(r)
		}
	}
	b.queue = left
	for rest := b.batch; len(rest) > 0; { // fewer than the size, if some were given up
		n := m.fill(len(rest))
		b.compute(m, rest[:n], features)
		rest = rest[n:]
	}
}

// fill returns the largest compiled size that this many images fill.
func (m *Model) fill(images int) int {
	size := 1
	for _, n := range m.sizes {
		if n <= images {
			size = n
		}
	}
	return size
}

// compute computes a batch and hands out the results.
func (b *batcher) compute(m *Model, batch []*request, features bool) {
	began := time.Now()
	values := m.values()
	for i, r := range batch {
		copy(b.images[i*values:], r.tensor)
	}
	logits, kept, err := b.forward(m, len(batch), features)
	took := time.Since(began)
	for i, r := range batch {
		r.logits, r.features = r.logits[:0], nil
		if r.err = err; err == nil {
			r.logits = append(r.logits, part(logits, i, m.info.Classes)...)
			if features {
				r.kept = append(r.kept[:0], part(kept, i, m.info.Features)...)
				r.features = r.kept
			}
		}
		r.times.Network, r.times.Batch = took, len(batch)
		m.finish(r, running)
	}
}

func part(values []float32, i, size int) []float32 { return values[i*size : (i+1)*size] }

// forward runs the network on the images of a batch.
func (b *batcher) forward(m *Model, n int, features bool) (logits, kept []float32, err error) {
	defer func() { // one request must not end the others
		if v := recover(); v != nil {
			err = fmt.Errorf("infer: the network failed: %v", v)
		}
	}()
	runner := m.runner
	compiled := (*graph.Runner).Program
	if features {
		runner, compiled = m.tapped, (*graph.Runner).Features
	}
	p, err := compiled(runner, m.shape(n))
	if err == nil {
		logits, err = p.Forward(b.images[:n*m.values()])
	}
	if err == nil && features {
		kept, err = p.FeatureValues(m.info.FeaturesFrom)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("infer: %w", err)
	}
	return logits, kept, nil
}

// labelsOf returns a name for every output.
func labelsOf(names []string, outputs int) []string {
	labels := make([]string, outputs)
	for i := range labels {
		if i < len(names) {
			labels[i] = names[i]
		}
		if labels[i] == "" {
			labels[i] = strconv.Itoa(i)
		}
	}
	return labels
}
