package data

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"fasternet/data/picture"
	"fasternet/internal/datatest"
)

// A batch stays valid until the next call, however far the workers run ahead.
func TestLoaderBatchStaysValid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		it := newLoader(t, newFakeSet(40), trainOptions()).Epoch(t.Context(), 0, 0)
		defer it.Close()
		for range 10 {
			b, err := it.Next()
			if err != nil {
				t.Fatal(err)
			}
			before := clone(b)
			synctest.Wait() // until the workers have nothing to do
			if !equal(*b, before) {
				t.Fatalf("batch %d changes while it is in use", b.Step)
			}
		}
	})
}

func TestLoaderPrefetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ds := newFakeSet(40)
		it := newLoader(t, ds, trainOptions()).Epoch(t.Context(), 0, 0)
		defer it.Close()
		if _, err := it.Next(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := ds.decoded.Load(); n != 4*3 { // one batch in use, two ahead
			t.Errorf("%d samples decoded", n)
		}
	})
}

func TestLoaderReusesMemory(t *testing.T) {
	l := newLoader(t, newFakeSet(40), trainOptions())
	memory := map[*float32]bool{}
	for epoch := range 3 {
		it := l.Epoch(t.Context(), epoch, 0)
		for range 5 + epoch*5 { // some epochs are left early
			b, err := it.Next()
			if err != nil {
				break
			}
			memory[&b.Images[0]] = true
		}
		it.Close()
	}
	if len(memory) != 3 || len(l.free) != 3 {
		t.Errorf("%d buffers were in use and %d are free, want 3", len(memory), len(l.free))
	}
}

// Two epochs run at once, as when training evaluates in between.
func TestLoaderConcurrentIterators(t *testing.T) {
	l := newLoader(t, newFakeSet(40), trainOptions())
	want := batches(t, l, 0, 0)
	a, b := l.Epoch(t.Context(), 0, 0), l.Epoch(t.Context(), 0, 0)
	defer a.Close()
	defer b.Close()
	for s := range want {
		for _, it := range []*Iterator{a, b} {
			if got, err := it.Next(); err != nil || !equal(*got, want[s]) {
				t.Fatalf("step %d differs, %v", s, err)
			}
		}
	}
}

// The next tests run in a bubble, which fails when a goroutine is left.

func TestLoaderEndsAtEOF(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		it := newLoader(t, newFakeSet(9), evalOptions()).Epoch(context.Background(), 0, 0)
		for range 3 {
			if _, err := it.Next(); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if _, err := it.Next(); err != io.EOF {
				t.Errorf("after the last batch: %v", err)
			}
		}
		it.Close() // has no effect
		if _, err := it.Next(); err != io.EOF {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestLoaderEndsOnClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader(t, newFakeSet(40), trainOptions())
		for taken := range 4 {
			it := l.Epoch(context.Background(), 0, 0)
			for range taken {
				if _, err := it.Next(); err != nil {
					t.Fatal(err)
				}
			}
			it.Close()
			it.Close()
			_, err := it.Next()
			datatest.WantError(t, err, "closed")
		}
	})
}

func TestLoaderEndsOnCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader(t, newFakeSet(40), trainOptions())
		ctx, cancel := context.WithCancel(context.Background())
		it, abandoned := l.Epoch(ctx, 0, 0), l.Epoch(ctx, 0, 0)
		for _, it := range []*Iterator{it, abandoned} {
			if _, err := it.Next(); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		if _, err := it.Next(); !errors.Is(err, context.Canceled) {
			t.Errorf("after the cancellation: %v", err)
		}
	})
}

// slowSet decodes only when it is allowed to.
type slowSet struct {
	*fakeSet
	allow chan struct{}
}

func (d slowSet) Image(i int) (*picture.Image, error) {
	<-d.allow
	return d.fakeSet.Image(i)
}

func TestLoaderCancelWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ds := slowSet{newFakeSet(40), make(chan struct{})}
		ctx, cancel := context.WithCancel(context.Background())
		it := newLoader(t, ds, trainOptions()).Epoch(ctx, 0, 0)
		go func() {
			synctest.Wait() // until Next is blocked
			cancel()
			close(ds.allow)
		}()
		if _, err := it.Next(); !errors.Is(err, context.Canceled) {
			t.Errorf("error is %v", err)
		}
	})
}

func TestLoaderDecodeError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, workers := range []int{1, 2, 5} {
			ds := newFakeSet(40)
			ds.broken = []int{14, 13, 15, 30}
			opt := trainOptions()
			opt.Shuffle, opt.Workers = false, workers
			it := newLoader(t, ds, opt).Epoch(context.Background(), 2, 0)
			for range 3 { // samples 0 to 11
				if _, err := it.Next(); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				_, err := it.Next()
				if want := "data: fake 13: broken (sample 13, epoch 2, step 3)"; err == nil || err.Error() != want {
					t.Errorf("%d workers: error is %v, want %s", workers, err, want)
				}
			}
		}
	})
}

func TestLoaderTransformError(t *testing.T) {
	ds := newFakeSet(4)
	ds.images[2] = &picture.Image{Pix: nil, Height: 5, Width: 5, Channels: 3}
	it := newLoader(t, ds, evalOptions()).Epoch(t.Context(), 0, 0)
	defer it.Close()
	_, err := it.Next()
	datatest.WantError(t, err, "0 values")
	datatest.WantError(t, err, "fake 2 (sample 2, epoch 0, step 0)")
}

// badLabels is a dataset whose labels do not fit its classes.
type badLabels struct{ *fakeSet }

func (badLabels) Label(int) int { return 7 }

func TestLoaderLabelError(t *testing.T) {
	it := newLoader(t, badLabels{newFakeSet(4)}, evalOptions()).Epoch(t.Context(), 0, 0)
	defer it.Close()
	_, err := it.Next()
	datatest.WantError(t, err, "label 7 of sample 0 in the batch is not one of the 4 classes")
	datatest.WantError(t, err, "(epoch 0, step 0)")
}
