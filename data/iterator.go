package data

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"fasternet/internal/rng"
)

// Iterator returns the batches of one epoch, one by one. Its methods must not be called
// concurrently; to end a blocked Next from elsewhere, cancel the context.
type Iterator struct {
	loader *Loader
	epoch  int
	order  []int // sample indices; nil means 0, 1, 2, …
	times  []int // how often the epoch has shown each sample before; nil means never

	ctx     context.Context
	cancel  context.CancelFunc
	jobs    chan job
	workers sync.WaitGroup

	next  int     // the next step to schedule
	end   int     // the step after the last
	queue []*slot // being made, in order of their steps
	held  *slot   // the batch that the last Next returned
	err   error   // why the iterator has stopped
}

// job is one sample of a batch.
type job struct {
	slot *slot
	k    int // position in the batch
}

// slot is a batch being made, with memory for a full one.
type slot struct {
	Batch
	images, targets []float32
	labels, indices []int
	views           []int // which view of its sample each one is, in this epoch
	share           share

	pending atomic.Int32  // samples not yet loaded
	ready   chan struct{} // receives one value when the batch is complete

	mu      sync.Mutex // guards err, errFrom, Bad and Replaced
	err     error
	errFrom int // position of the sample that err comes from
}

func (l *Loader) newSlot() *slot {
	h, w, c := l.opt.Transform.OutputShape()
	n := l.most()
	s := &slot{
		Batch:   Batch{Height: h, Width: w, Channels: c},
		images:  make([]float32, n*h*w*c),
		targets: make([]float32, n*l.opt.Classes),
		labels:  make([]int, n),
		indices: make([]int, n),
		views:   make([]int, n),
		ready:   make(chan struct{}, 1),
	}
	if l.opt.Extra != nil {
		s.Extra = l.opt.Extra.New(n)
	}
	return s
}

// Next returns the next batch, or io.EOF after the last. The batch is valid until
// the next call of Next or Close. An error names the sample and the step; after
// an error no batches follow.
func (it *Iterator) Next() (*Batch, error) {
	if it.err != nil {
		return nil, it.err
	}
	if it.held != nil {
		done := it.held
		it.held = nil
		if it.next < it.end {
			it.schedule(done)
		} else {
			it.loader.release([]*slot{done})
		}
	}
	if len(it.queue) == 0 {
		it.stop(io.EOF)
		return nil, it.err
	}
	s := it.queue[0]
	select {
	case <-s.ready:
	case <-it.ctx.Done():
	}
	if it.ctx.Err() != nil {
		it.stop(context.Cause(it.ctx))
		return nil, it.err
	}
	if s.err != nil {
		it.stop(s.err)
		return nil, it.err
	}
	it.queue = slices.Delete(it.queue, 0, 1)
	it.held = s
	return &s.Batch, nil
}

// Close ends the workers and waits for them. It may be called more than once.
func (it *Iterator) Close() {
	if it.err == nil {
		it.stop(errors.New("data: the iterator is closed"))
	}
}

// stop ends the workers and gives the memory back to the loader.
func (it *Iterator) stop(err error) {
	it.err = err
	it.cancel()
	it.workers.Wait()
	if it.held != nil {
		it.queue = append(it.queue, it.held)
	}
	it.loader.release(it.queue)
	it.queue, it.held = nil, nil
}

// schedule hands the samples of the next step to the workers.
func (it *Iterator) schedule(s *slot) {
	l := it.loader
	first := it.next * l.opt.Batch
	s.Whole = min(l.opt.Batch, l.ds.Len()-first)
	s.share = l.opt.share(s.Whole)
	n := s.share.size
	s.Size, s.Step, s.Places = n, it.next, s.share.places
	s.Images = s.images[:n*s.Height*s.Width*s.Channels]
	s.Targets = s.targets[:n*l.opt.Classes]
	s.Labels, s.Indices = s.labels[:n], s.indices[:n]
	if l.multi {
		s.Sets = make([][]int, n)
	}
	if l.opt.Trace {
		s.Traces = make([]Trace, n)
	}
	for k := range n {
		place := first + s.share.place(k)
		at := place / l.opt.Repeats
		s.Indices[k], s.views[k] = at, place%l.opt.Repeats
		if it.order != nil {
			s.Indices[k] = it.order[at]
		}
		if it.times != nil {
			s.views[k] += l.opt.Repeats * it.times[at]
		}
	}
	s.err, s.Bad, s.Replaced = nil, s.Bad[:0], s.Replaced[:0]
	s.pending.Store(int32(n))
	select { // remove the value of a batch that nobody waited for
	case <-s.ready:
	default:
	}
	it.next++
	it.queue = append(it.queue, s)
	for k := range n {
		it.jobs <- job{s, k}
	}
}

// work loads samples until the iterator stops. The worker that loads the last sample of a
// batch completes it.
func (it *Iterator) work() {
	var f sampler
	for {
		select {
		case <-it.ctx.Done():
			return
		case j := <-it.jobs:
			s := j.slot
			err := it.load(&f, s, j.k, s.Indices[j.k])
			if err != nil && it.loader.opt.ReplaceBad {
				err = it.replace(&f, s, j.k, err)
			}
			switch {
			case err == nil:
			case it.loader.opt.SkipBad:
				s.skip(j.k, err)
			default:
				s.fail(j.k, fmt.Errorf("%w (sample %d, epoch %d, step %d)", err, s.Indices[j.k], it.epoch, s.Step))
			}
			if s.pending.Add(-1) > 0 {
				continue
			}
			if s.err == nil {
				if err := it.complete(s); err != nil {
					s.fail(0, fmt.Errorf("%w (epoch %d, step %d)", err, it.epoch, s.Step))
				}
			}
			s.ready <- struct{}{}
		}
	}
}

// replacements is how many samples in a row may be bad while bad ones are replaced. With
// more, the dataset is missing or not what it should be.
const replacements = 50

// replace loads the next readable sample in place of sample k of a batch, which failed
// with err.
func (it *Iterator) replace(f *sampler, s *slot, k int, err error) error {
	n := it.loader.ds.Len()
	for step := 1; step <= replacements && step < n; step++ {
		if it.load(f, s, k, (s.Indices[k]+step)%n) == nil {
			s.mu.Lock()
			s.Replaced = append(s.Replaced, BadSample{At: k, Index: s.Indices[k], Err: err})
			s.mu.Unlock()
			return nil
		}
	}
	return fmt.Errorf("%w; the next %d images cannot be read either", err, min(replacements, n-1))
}

// load makes sample k of a batch from sample i of the dataset.
func (it *Iterator) load(f *sampler, s *slot, k, i int) error {
	l := it.loader
	s.Labels[k] = l.ds.Label(i)
	if l.multi {
		s.Sets[k] = LabelSet(l.ds, i)
	}
	size := s.Height * s.Width * s.Channels
	tensor := s.Images[k*size:][:size]
	f.src.trace = nil
	if l.opt.Trace {
		s.Traces[k] = Trace{Index: i, Partner: -1, Lambda: 1}
		f.src.trace = &s.Traces[k]
	}
	err := f.view(l.ds, l.opt.Transform, viewRand(l.opt.Seed, it.epoch, i, s.views[k]), i, tensor)
	if err == nil && l.opt.Extra != nil {
		err = l.opt.Extra.Sample(s.Extra, tensor, it.position(s, k))
	}
	if err != nil {
		if name := l.ds.Name(i); !strings.Contains(err.Error(), name) {
			return fmt.Errorf("%w, at %s", err, name)
		}
	}
	return err
}

// complete mixes a batch and makes its targets.
func (it *Iterator) complete(s *slot) error {
	opt := &it.loader.opt
	if opt.Extra != nil {
		if err := opt.Extra.Complete(s.Extra, it.position(s, 0)); err != nil {
			return err
		}
	}
	byPlace := func(a, b BadSample) int { return a.At - b.At }
	slices.SortFunc(s.Bad, byPlace)
	slices.SortFunc(s.Replaced, byPlace)
	if opt.Mix == nil || opt.Mix.off(it.epoch) {
		smoothing := 0.0
		if opt.Mix != nil {
			smoothing = opt.Mix.Smoothing
		}
		if it.loader.multi {
			return SmoothLabelSets(s.Targets, s.Sets, opt.Classes, smoothing)
		}
		return SmoothTargets(s.Targets, s.Labels, opt.Classes, smoothing)
	}
	r := rng.New(opt.Seed, rng.Mix, uint64(it.epoch), uint64(s.Step))
	mine := labels{s.Labels, s.Sets}
	first := s.share.place(0)
	draws, err := opt.Mix.apply(s.Images, s.Size, s.Height, s.Width, s.Channels, mine, s.Targets, first, r)
	if err == nil {
		s.mixed(draws)
	}
	return err
}

// fail keeps the error of the first sample of the batch that failed. Which one fails first
// in time depends on the workers.
func (s *slot) fail(k int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil || k < s.errFrom {
		s.err, s.errFrom = err, k
	}
}

// skip lists a sample as bad: it does not count.
func (s *slot) skip(k int, err error) {
	size := s.Height * s.Width * s.Channels
	clear(s.Images[k*size:][:size])
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Bad = append(s.Bad, BadSample{At: k, Index: s.Indices[k], Err: err})
}
