package infer

import (
	"fmt"
	"sync/atomic"
	"time"

	"fasternet/data"
)

// The states of a request. The goroutine that changes the state by compare and swap owns the
// request until the next change. The goroutine that has an abandoned request releases it.
const (
	queued    int32 = iota // waits for a helper
	preparing              // a helper reads the input of the caller
	waiting                // prepared, and waits for a batch
	running                // in the batch in progress
	finished               // the result is there
	abandoned              // nobody waits for it
)

// request is an image on its way through the model. There are as many as the model has room for, and
// they are used again and again.
type request struct {
	state           atomic.Int32
	done            chan struct{} // gets a value when the state has become finished
	index           int           // of the image, in the call
	in              *Input        // belongs to the caller: not used after preparing
	call            *call         // set if helpers prepare the images of a call; else nil
	features        []float32     // result; nil if not asked for
	kept            []float32     // memory of features
	logits          []float32     // result
	tensor          []float32     // [height, width, channels]
	err             error
	wantsFeatures   bool
	began, finished time.Time
	times           Times
}

func (r *request) reset(index int, in *Input, features bool, began time.Time) {
	r.state.Store(queued)
	r.index, r.in, r.call, r.err, r.wantsFeatures, r.began, r.times = index, in, nil, nil, features, began, Times{}
}

// release gives back an unused request.
func (m *Model) release(r *request) {
	r.in, r.call, r.err = nil, nil, nil
	m.free <- r
}

// abandon gives up a request for a caller that no longer waits. No helper may be reading its input.
func (m *Model) abandon(r *request) {
	for {
		switch s := r.state.Load(); s {
		case finished:
			<-r.done
			m.release(r)
			return
		case queued, waiting, running:
			if r.state.CompareAndSwap(s, abandoned) {
				return
			}
		default:
			panic(fmt.Sprintf("infer: a request was given up in state %d", s))
		}
	}
}

// finish hands a request back to its caller.
func (m *Model) finish(r *request, from int32) {
	r.finished = time.Now()
	if r.state.CompareAndSwap(from, finished) {
		r.done <- struct{}{}
		return
	}
	m.release(r)
}

// prepareRequest makes the tensor of a request, or its error.
func (m *Model) prepareRequest(r *request, tool *data.Preparer) {
	if r.tensor == nil {
		r.tensor = make([]float32, m.values())
	}
	err := r.in.check()
	var t data.Preparation
	switch in := r.in; {
	case err != nil:
	case in.Image != nil:
		t, err = tool.Image(in.Image, r.tensor)
	case in.Bytes != nil:
		t, err = tool.File(in.Bytes, r.tensor)
	default:
		began := time.Now()
		err = m.arrange(r.tensor, in.Tensor)
		t.Resize = time.Since(began)
	}
	if err != nil {
		r.err = &ImageError{Index: r.index, Err: err}
	}
	r.times.Decode, r.times.Resize = t.Decode, t.Resize
}

// arrange copies a tensor [channels, height, width] to dst, channels last.
func (m *Model) arrange(dst, planes []float32) error {
	if len(planes) != len(dst) {
		return fmt.Errorf("its tensor has %d values, want %d for [%d, %d, %d]",
			len(planes), len(dst), m.info.Channels, m.info.Size, m.info.Size)
	}
	channels := m.info.Channels
	pixels := len(dst) / channels
	for c := range channels {
		for i, v := range planes[c*pixels : (c+1)*pixels] {
			dst[i*channels+c] = v
		}
	}
	return nil
}
