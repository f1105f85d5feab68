package data

import (
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"testing"

	"fasternet/data/picture"
	"fasternet/internal/datatest"
	"fasternet/internal/rng"
)

// fakeSet is a dataset of small random images in 4 classes.
type fakeSet struct {
	images  []*picture.Image
	broken  []int        // samples that cannot be decoded
	decoded atomic.Int64 // calls of Image
}

func newFakeSet(n int) *fakeSet {
	d := &fakeSet{}
	for i := range n {
		d.images = append(d.images, datatest.RandomImage[picture.Image](rng.New(9, rng.Bench, uint64(i)), 8, 8, 3))
	}
	return d
}

func (d *fakeSet) Len() int          { return len(d.images) }
func (d *fakeSet) Classes() []string { return []string{"a", "b", "c", "d"} }
func (d *fakeSet) Label(i int) int   { return i % 4 }
func (d *fakeSet) Name(i int) string { return fmt.Sprintf("fake %d", i) }
func (d *fakeSet) Image(i int) (*picture.Image, error) {
	d.decoded.Add(1)
	if slices.Contains(d.broken, i) {
		return nil, fmt.Errorf("data: %s: broken", d.Name(i))
	}
	return d.images[i], nil
}

// trainOptions returns options of a training loader for fakeSet.
func trainOptions() LoaderOptions {
	return LoaderOptions{Batch: 4, Workers: 2, Prefetch: 2, Shuffle: true, DropLast: true, Seed: 5,
		Transform: trainTransform(8, 3),
		Mix:       &Mixup{MixupAlpha: 0.8, CutmixAlpha: 1, Prob: 0.8, SwitchProb: 0.5, Smoothing: 0.1, Classes: 4}}
}

func evalOptions() LoaderOptions {
	return LoaderOptions{Batch: 4, Workers: 2, Prefetch: 1, Transform: evalTransform(8, 3)}
}

func newLoader(t testing.TB, ds Dataset, opt LoaderOptions) *Loader {
	t.Helper()
	l, err := NewLoader(ds, opt)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// batches returns copies of the batches of an epoch, from a step on.
func batches(t *testing.T, l *Loader, epoch, startStep int) []Batch {
	t.Helper()
	it := l.Epoch(t.Context(), epoch, startStep)
	defer it.Close()
	var all []Batch
	for {
		b, err := it.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, clone(b))
	}
}

func clone(b *Batch) Batch {
	c := *b
	c.Images, c.Targets = slices.Clone(b.Images), slices.Clone(b.Targets)
	c.Labels, c.Indices = slices.Clone(b.Labels), slices.Clone(b.Indices)
	return c
}

func equal(a, b Batch) bool {
	return slices.Equal(a.Images, b.Images) && slices.Equal(a.Targets, b.Targets) &&
		slices.Equal(a.Labels, b.Labels) && slices.Equal(a.Indices, b.Indices) &&
		a.Size == b.Size && a.Step == b.Step &&
		a.Height == b.Height && a.Width == b.Width && a.Channels == b.Channels
}

func TestLoaderIndependentOfWorkers(t *testing.T) {
	ds := newFakeSet(43)
	opt := trainOptions()
	opt.Workers, opt.Prefetch = 1, 0
	want := batches(t, newLoader(t, ds, opt), 3, 0)
	if len(want) != 10 {
		t.Fatalf("%d batches, want 10", len(want))
	}
	for _, workers := range []int{1, 2, 5} {
		for _, prefetch := range []int{0, 1, 4, 20} {
			opt.Workers, opt.Prefetch = workers, prefetch
			if got := batches(t, newLoader(t, ds, opt), 3, 0); !slices.EqualFunc(got, want, equal) {
				t.Errorf("%d workers, prefetch %d: other batches", workers, prefetch)
			}
		}
	}
}

func TestLoaderResumes(t *testing.T) {
	ds := newFakeSet(43)
	l := newLoader(t, ds, trainOptions())
	want := batches(t, l, 1, 0)
	for start := range len(want) + 1 {
		ds.decoded.Store(0)
		if got := batches(t, l, 1, start); !slices.EqualFunc(got, want[start:], equal) {
			t.Errorf("from step %d: other batches", start)
		}
		if n := ds.decoded.Load(); n != int64(4*(10-start)) {
			t.Errorf("from step %d: %d samples decoded", start, n)
		}
	}
}

func TestLoaderOrder(t *testing.T) {
	l := newLoader(t, newFakeSet(40), trainOptions())
	order := func(epoch int) (all []int) {
		for _, b := range batches(t, l, epoch, 0) {
			for k, i := range b.Indices {
				if b.Labels[k] != i%4 {
					t.Errorf("label of sample %d is %d", i, b.Labels[k])
				}
			}
			all = append(all, b.Indices...)
		}
		return all
	}
	first, second := order(0), order(1)
	if slices.Equal(first, second) {
		t.Error("two epochs have the same order")
	}
	if !slices.Equal(first, rng.New(5, rng.Shuffle, 0).Perm(40)) {
		t.Error("the order is not the permutation of the seed and the epoch")
	}
	for _, o := range [][]int{first, second} {
		slices.Sort(o)
		for i, v := range o {
			if i != v {
				t.Fatalf("an epoch does not have every sample once: %v", o)
			}
		}
	}
}

// A sample looks different in each epoch and with each seed.
func TestLoaderAugmentationVaries(t *testing.T) {
	opt := trainOptions()
	opt.Shuffle, opt.Mix = false, nil
	ds := newFakeSet(40)
	l := newLoader(t, ds, opt)
	a, b := batches(t, l, 0, 0), batches(t, l, 1, 0)
	opt.Seed++
	c := batches(t, newLoader(t, ds, opt), 0, 0)
	for s := range a {
		if slices.Equal(a[s].Images, b[s].Images) || slices.Equal(a[s].Images, c[s].Images) {
			t.Errorf("step %d repeats its images", s)
		}
	}
}

func TestLoaderEvaluation(t *testing.T) {
	ds := newFakeSet(11)
	l := newLoader(t, ds, evalOptions())
	if l.Steps() != 3 {
		t.Fatalf("%d steps, want 3", l.Steps())
	}
	next := 0
	for s, b := range batches(t, l, 0, 0) {
		if want := []int{4, 4, 3}[s]; b.Size != want || b.Step != s || len(b.Images) != want*8*8*3 ||
			len(b.Targets) != want*4 || len(b.Labels) != want || len(b.Indices) != want {
			t.Fatalf("step %d: %d samples with %d image values", s, b.Size, len(b.Images))
		}
		for k, i := range b.Indices {
			if i != next {
				t.Errorf("sample %d comes where %d should", i, next)
			}
			next++
			datatest.SameImage(t, ds.Name(i), toImage(b.Images[k*192:][:192], 8, 3), ds.images[i])
			for c, v := range b.Targets[4*k:][:4] {
				if (v == 1) != (c == i%4) || (v != 0 && v != 1) {
					t.Errorf("target of sample %d is %v", i, b.Targets[4*k:][:4])
				}
			}
		}
	}
	if next != 11 {
		t.Errorf("%d samples", next)
	}
}

func TestLoaderWiderTargets(t *testing.T) {
	opt := evalOptions()
	opt.Classes = 6
	for _, b := range batches(t, newLoader(t, newFakeSet(4), opt), 0, 0) {
		datatest.Near(t, "targets", b.Targets[:12], []float32{1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}, 0)
	}
}

func TestLoaderBadStart(t *testing.T) {
	l := newLoader(t, newFakeSet(40), trainOptions())
	for _, at := range [][2]int{{0, -1}, {0, 11}, {-1, 0}} {
		it := l.Epoch(t.Context(), at[0], at[1])
		_, err := it.Next()
		datatest.WantError(t, err, fmt.Sprintf("epoch %d cannot start at step %d", at[0], at[1]))
		it.Close()
	}
}

func TestNewLoaderErrors(t *testing.T) {
	for _, c := range []struct {
		want   string
		change func(*LoaderOptions)
	}{
		{"batch size is 0", func(o *LoaderOptions) { o.Batch = 0 }},
		{"-1 loader workers", func(o *LoaderOptions) { o.Workers = -1 }},
		{"-1 batches to prefetch", func(o *LoaderOptions) { o.Prefetch = -1 }},
		{"no transform", func(o *LoaderOptions) { o.Transform = nil }},
		{"TrainTransform.Size is 0", func(o *LoaderOptions) { o.Transform = trainTransform(0, 3) }},
		{"no batch of 44 can be made", func(o *LoaderOptions) { o.Batch = 44 }},
		{"Mixup.Prob is 2", func(o *LoaderOptions) { o.Mix.Prob = 2 }},
		{"Mixup.Classes is 4", func(o *LoaderOptions) { o.Classes = 5 }},
		{"43 samples in batches of 5", func(o *LoaderOptions) { o.Batch = 5 }},
		{"43 samples in batches of 4", func(o *LoaderOptions) { o.DropLast = false }},
		{"targets of 3 classes are too f", func(o *LoaderOptions) { o.Mix, o.Classes = nil, 3 }},
	} {
		t.Run(c.want, func(t *testing.T) {
			opt := trainOptions()
			c.change(&opt)
			_, err := NewLoader(newFakeSet(43), opt)
			datatest.WantError(t, err, c.want)
		})
	}
	_, err := NewLoader(newFakeSet(0), trainOptions())
	datatest.WantError(t, err, "empty")

	opt := trainOptions()
	opt.Batch, opt.DropLast, opt.Mix = 5, false, &Mixup{Prob: 1, Smoothing: 0.1, Classes: 4}
	if _, err := NewLoader(newFakeSet(43), opt); err != nil {
		t.Errorf("odd batches that are not mixed: %v", err)
	}
}

// manySet is a dataset that claims more samples than it can have.
type manySet struct {
	*fakeSet
	samples int
}

func (d manySet) Len() int { return d.samples }

// Batches that cannot fit are refused before memory is allocated. A batch that is larger than
// the dataset takes only what the dataset needs.
func TestLoaderMemory(t *testing.T) {
	opt := LoaderOptions{Batch: 1 << 16, Workers: 1, Prefetch: 1 << 10, Transform: evalTransform(1<<13, 3)}
	_, err := NewLoader(manySet{newFakeSet(1), 1 << 30}, opt)
	datatest.WantError(t, err, "not enough memory: 1025 batches of 65536 images of 8192×8192 pixels need ")
	datatest.WantError(t, err, "train.val_batch_size")

	opt.Transform = evalTransform(64, 3)
	n := datatest.AllocatedBy(func() {
		it := newLoader(t, newFakeSet(3), opt).Epoch(t.Context(), 0, 0)
		defer it.Close()
		if b, err := it.Next(); err != nil || b.Size != 3 {
			t.Errorf("%+v, %v", b, err)
		}
	})
	if n > 4<<20 {
		t.Errorf("3 images took %d bytes", n)
	}
}
