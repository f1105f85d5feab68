package data

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"fasternet/internal/memory"
	"fasternet/internal/rng"
)

// LoaderOptions says how a [Loader] makes batches.
type LoaderOptions struct {
	Batch     int       // samples per batch
	Workers   int       // goroutines that decode and transform; 0 means GOMAXPROCS
	Prefetch  int       // batches prepared while one is in use; 0 prepares each only when asked
	Shuffle   bool      // a new order each epoch, instead of the order of the dataset
	Sampling  Sampling  // how often to show the samples of each class; "" for each once; others need Shuffle
	Repeats   int       // views of a sample, one after the other, for repeated augmentation; 0 means 1
	DropLast  bool      // leave out the last batch if it is not full
	Seed      uint64    // of order, augmentation and mixing
	Transform Transform // makes the tensors
	Mix       *Mixup    // mixes the batches and smooths the labels; nil means one-hot targets
	Classes   int       // width of the targets; 0 means Mix.Classes, or the classes of the dataset
	Extra     Extra     // makes Batch.Extra; nil for none; not with mixing or SkipBad
	// ReplaceBad puts the next readable sample of the dataset in the place of one that
	// cannot be read, and lists this one in Batch.Replaced; not with SkipBad.
	ReplaceBad bool
	SkipBad    bool // list a sample that cannot be read in Batch.Bad, without an error; not with Mix
	Trace      bool // Batch.Traces says what each picture shows
	// Loader number Rank of Ranks makes a share of every batch. All options except
	// Workers and Prefetch are the same for all ranks. Ranks 0 means one loader, which
	// makes everything.
	Rank, Ranks int
}

// Loader makes the batches of a dataset, epoch by epoch.
//
// The order of the samples depends on the seed and the epoch. The augmentation of a sample
// also depends on its index, and the mixing of a batch on its step. So a batch is the same
// whatever the number of workers, and wherever the epoch was started.
//
// With a [Sampling] other than instance, an epoch shows some samples several times, each
// time augmented again, and others not at all. Its length stays the same.
//
// Repeated augmentation (Hoffer et al., "Augment your batch", 2020) shows a sample several
// times in a batch, each time augmented again. The epoch keeps its length, so it has fewer
// different samples; with Shuffle they are others every epoch.
type Loader struct {
	ds    Dataset
	opt   LoaderOptions
	draws *draws // nil to show each sample once
	multi bool   // samples may have any number of labels
	steps int
	own   int // samples of a full batch that this loader makes

	mu   sync.Mutex
	free []*slot // memory of ended iterators, for the next one
}

// Batch is what a training or evaluation step works on.
type Batch struct {
	Images  []float32 // [Size, Height, Width, Channels]
	Targets []float32 // [Size, classes]: soft labels
	Labels  []int     // [Size]: class indices, before mixing; -1 if samples may have any number of labels
	Sets    [][]int   // [Size]: class indices of samples with any number of labels, before mixing; else nil
	Indices []int     // [Size]: sample indices in the dataset
	Extra   any       // what LoaderOptions.Extra made, of the type that its New returns; nil without

	Traces []Trace // [Size]: what the pictures show; nil without LoaderOptions.Trace

	Size                    int // samples in the batch: of the rank's share, and fewer in the last batch
	Whole                   int // size of the batch that all ranks make together
	Height, Width, Channels int
	Step                    int // position in the epoch, from 0

	// Places are the positions of the samples in the whole batch, ascending; nil if this is
	// the whole batch.
	Places []int

	// Bad lists the samples that could not be read, in order of their places. Their images
	// are zero and do not count. It is empty without LoaderOptions.SkipBad.
	Bad []BadSample

	// Replaced lists the samples that could not be read and were replaced by others, in
	// order of their places. It is empty without LoaderOptions.ReplaceBad.
	Replaced []BadSample
}

// BadSample is a sample that could not be read. It keeps its place in the batch, so that
// all others keep theirs.
type BadSample struct {
	At    int   // position in the batch
	Index int   // sample index in the dataset
	Err   error // names the file or sample
}

// NewLoader returns a loader. It is an error when an option cannot work or when
// there would be no batches.
func NewLoader(ds Dataset, opt LoaderOptions) (*Loader, error) {
	switch {
	case opt.Batch < 1:
		return nil, fmt.Errorf("data: the batch size is %d; at least 1 is needed", opt.Batch)
	case opt.Workers < 0:
		return nil, fmt.Errorf("data: %d loader workers; 0 (as many as processors) or more are needed", opt.Workers)
	case opt.Prefetch < 0:
		return nil, fmt.Errorf("data: %d batches to prefetch; 0 or more are needed", opt.Prefetch)
	case opt.Repeats < 0:
		return nil, fmt.Errorf("data: %d repeats of a sample; 0 or 1 (none) or more are needed", opt.Repeats)
	case opt.Transform == nil:
		return nil, errors.New("data: the loader has no transform; set LoaderOptions.Transform")
	case ds.Len() == 0:
		return nil, errors.New("data: the dataset is empty")
	case opt.SkipBad && opt.ReplaceBad:
		return nil, errors.New("data: bad samples can be skipped or replaced, not both")
	}
	if err := opt.Transform.Validate(); err != nil {
		return nil, err
	}
	if err := opt.Sampling.check(); err != nil {
		return nil, err
	}
	if !opt.Sampling.even() && !opt.Shuffle {
		return nil, fmt.Errorf("data: %s sampling draws the samples at random; set LoaderOptions.Shuffle",
			string(opt.Sampling))
	}
	opt.Repeats = max(opt.Repeats, 1)
	if opt.Workers == 0 {
		opt.Workers = runtime.GOMAXPROCS(0)
	}
	l := &Loader{ds: ds, steps: ds.Len() / opt.Batch}
	last := ds.Len() % opt.Batch
	if opt.DropLast {
		last = 0
	}
	if last > 0 {
		l.steps++
	}
	if l.steps == 0 {
		return nil, fmt.Errorf("data: no batch of %d can be made of %d samples, since incomplete ones are dropped; "+
			"use a smaller batch (train.batch_size) or keep the last one", opt.Batch, ds.Len())
	}
	if opt.Mix != nil {
		if opt.SkipBad {
			return nil, errors.New("data: bad samples cannot be skipped where samples are mixed; repair or remove them")
		}
		if err := opt.Mix.Validate(); err != nil {
			return nil, err
		}
		if opt.Classes == 0 {
			opt.Classes = opt.Mix.Classes
		}
		if opt.Mix.Classes != opt.Classes {
			return nil, fmt.Errorf("data: the loader has %d classes, but Mixup.Classes is %d; they must agree",
				opt.Classes, opt.Mix.Classes)
		}
		if opt.Mix.mixes() && (opt.Batch%2 != 0 || last%2 != 0) {
			return nil, fmt.Errorf("data: %d samples in batches of %d leave batches of odd size, "+
				"which cannot be mixed; use an even batch size and drop the last batch", ds.Len(), opt.Batch)
		}
	}
	if last == 0 {
		last = opt.Batch
	}
	if err := opt.checkShare(last); err != nil {
		return nil, err
	}
	l.own = opt.share(opt.Batch).size
	if err := opt.checkExtra(l.own); err != nil {
		return nil, err
	}
	if opt.Classes == 0 {
		opt.Classes = len(ds.Classes())
	}
	if opt.Classes < len(ds.Classes()) {
		return nil, fmt.Errorf("data: targets of %d classes are too few for a dataset of %d classes",
			opt.Classes, len(ds.Classes()))
	}
	l.opt, l.multi = opt, IsMultiLabel(ds)
	if err := l.checkMemory(); err != nil {
		return nil, err
	}
	if !opt.Sampling.even() {
		var err error
		if l.draws, err = newDraws(ds, opt.Sampling); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// checkMemory returns an error unless all batches that exist at a time fit into memory.
func (l *Loader) checkMemory() error {
	h, w, c := l.opt.Transform.OutputShape()
	n := min(l.opt.Prefetch+1, l.steps)
	values := n * l.most() * (h*w*c + l.opt.Classes)
	what := fmt.Sprintf("%d batches of %d images of %d×%d pixels", n, l.most(), h, w)
	if err := memory.Check(what, 4*values); err != nil {
		return fmt.Errorf("%w: make the batches smaller, or prefetch fewer "+
			"(train.batch_size, train.val_batch_size, --batch, data.prefetch)", err)
	}
	return nil
}

// most returns the number of samples in the largest batch that this loader makes.
func (l *Loader) most() int { return min(l.own, l.ds.Len()) }

// Steps returns the number of batches in an epoch.
func (l *Loader) Steps() int { return l.steps }

// Own returns the number of samples of a full batch that this loader makes: the batch
// size, or its share if there are ranks.
func (l *Loader) Own() int { return l.own }

// Epoch starts an epoch at a step; 0 is its start. The steps before it cost nothing. Close
// the iterator, unless ctx is cancelled.
func (l *Loader) Epoch(ctx context.Context, epoch, startStep int) *Iterator {
	return l.Part(ctx, epoch, startStep, l.steps)
}

// Part is like Epoch, but stops before step end.
func (l *Loader) Part(ctx context.Context, epoch, startStep, end int) *Iterator {
	it := &Iterator{loader: l, epoch: epoch, next: startStep, end: min(end, l.steps)}
	it.ctx, it.cancel = context.WithCancel(ctx)
	if epoch < 0 || startStep < 0 || startStep > it.end {
		it.stop(fmt.Errorf("data: epoch %d cannot start at step %d; epochs start at 0, and there are %d steps",
			epoch, startStep, it.end))
		return it
	}
	switch {
	case l.draws != nil:
		it.order, it.times = l.draws.epoch(l.opt.Seed, epoch)
	case l.opt.Shuffle:
		it.order = rng.New(l.opt.Seed, rng.Shuffle, uint64(epoch)).Perm(l.ds.Len())
	}
	slots := l.slots(min(l.opt.Prefetch+1, it.end-startStep))
	// The channel has room for all samples of all batches, so that sending never blocks.
	it.jobs = make(chan job, len(slots)*l.own)
	for range l.opt.Workers {
		it.workers.Go(it.work)
	}
	for _, s := range slots {
		it.schedule(s)
	}
	return it
}

// slots returns n slots. It reuses the memory of former iterators as far as it goes.
func (l *Loader) slots(n int) []*slot {
	l.mu.Lock()
	defer l.mu.Unlock()
	reused := min(n, len(l.free))
	slots := slices.Clone(l.free[:reused])
	l.free = slices.Delete(l.free, 0, reused)
	for len(slots) < n {
		slots = append(slots, l.newSlot())
	}
	return slots
}

func (l *Loader) release(slots []*slot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = append(l.free, slots...)
}
