package data

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// sums is an Extra that records positions and the sum of every image.
type sums struct{ fail int } // fail is the index of the sample that returns an error; -1 for none

type sumsBatch struct {
	at    []Position
	sum   []float32
	total float32
}

func (sums) Validate(batch, h, w, c int) error {
	if h != 8 {
		return fmt.Errorf("sums: images of %d rows", h)
	}
	return nil
}

func (sums) New(batch int) any {
	return &sumsBatch{at: make([]Position, batch), sum: make([]float32, batch)}
}

func (e sums) Sample(dst any, image []float32, at Position) error {
	if at.Index == e.fail {
		return errors.New("sums: no")
	}
	b := dst.(*sumsBatch)
	b.at[at.Place], b.sum[at.Place] = at, 0
	for _, v := range image {
		b.sum[at.Place] += v
	}
	return nil
}

func (sums) Complete(dst any, at Position) error {
	b := dst.(*sumsBatch)
	b.total = 0
	for _, s := range b.sum[:at.Size] {
		b.total += s
	}
	return nil
}

func extraOptions() LoaderOptions {
	opt := trainOptions()
	opt.Mix, opt.DropLast, opt.Extra = nil, false, sums{-1}
	return opt
}

func TestExtraBelongsToItsBatch(t *testing.T) {
	var first []string
	for _, workers := range []int{1, 3} {
		opt := extraOptions()
		opt.Workers = workers
		l := newLoader(t, newFakeSet(10), opt)
		var got []string
		for epoch := range 2 {
			it := l.Epoch(context.Background(), epoch, 0)
			for {
				b, err := it.Next()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				e := b.Extra.(*sumsBatch)
				var total float32
				for k := range b.Size {
					var sum float32
					for _, v := range b.Images[k*8*8*3:][:8*8*3] {
						sum += v
					}
					want := Position{opt.Seed, epoch, b.Step, b.Indices[k], k, b.Size}
					if e.at[k] != want || e.sum[k] != sum {
						t.Errorf("%d workers, sample %d: %v with sum %v, want %v, %v",
							workers, k, e.at[k], e.sum[k], want, sum)
					}
					total += sum
				}
				if e.total != total {
					t.Errorf("step %d: total %v, want %v", b.Step, e.total, total)
				}
				got = append(got, fmt.Sprint(e.at[:b.Size], e.sum[:b.Size]))
			}
			it.Close()
		}
		if first == nil {
			first = got
		}
		if len(got) != 6 || fmt.Sprint(got) != fmt.Sprint(first) {
			t.Errorf("%d workers: different batches than with one", workers)
		}
	}
}

func TestExtraErrors(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*LoaderOptions)
		want   string
	}{
		{"shape", func(o *LoaderOptions) { o.Transform = trainTransform(4, 3) }, "images of 4 rows"},
		{"mixing", func(o *LoaderOptions) { o.Mix = trainOptions().Mix }, "turn mixup and CutMix off"},
		{"bad", func(o *LoaderOptions) { o.SkipBad = true }, "repair or remove"},
	} {
		t.Run(test.name, func(t *testing.T) {
			opt := extraOptions()
			test.change(&opt)
			if _, err := NewLoader(newFakeSet(8), opt); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: error %v, want %q", test.name, err, test.want)
			}
		})
	}
	opt := extraOptions()
	opt.Extra = sums{6}
	opt.Shuffle = false
	it := newLoader(t, newFakeSet(8), opt).Epoch(context.Background(), 0, 0)
	defer it.Close()
	if _, err := it.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := it.Next(); err == nil || !strings.Contains(err.Error(), "sums: no, at fake 6") {
		t.Errorf("error %v, want it to name sample 6", err)
	}
}
