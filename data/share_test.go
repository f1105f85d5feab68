package data

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Together the shares of the ranks are the batch that one loader makes: in every mode of
// mixing, with repeated augmentation, and if the shares differ in size.
func TestShares(t *testing.T) {
	ds := newFakeSet(43)
	for _, mode := range []MixMode{"", MixBatch, MixPair, MixElem} {
		for _, ranks := range []int{2, 3, 5} {
			opt := trainOptions()
			opt.Batch, opt.Repeats, opt.Mix.Mode = 14, 2, mode
			if mode == "" {
				opt.Mix, opt.Batch = nil, 13
			}
			whole := batches(t, newLoader(t, ds, opt), 1, 0)
			got := make([]Batch, len(whole))
			for i, b := range whole {
				got[i] = Batch{
					Images:  make([]float32, len(b.Images)),
					Targets: make([]float32, len(b.Targets)),
					Labels:  make([]int, b.Size),
					Indices: make([]int, b.Size),
				}
			}
			sizes := make([]int, ranks)
			for rank := range ranks {
				opt.Rank, opt.Ranks = rank, ranks
				for i, b := range batches(t, newLoader(t, ds, opt), 1, 0) {
					w := whole[i]
					image, classes := len(w.Images)/w.Size, len(w.Targets)/w.Size
					for k, at := range b.Places {
						copy(got[i].Images[at*image:], b.Images[k*image:][:image])
						copy(got[i].Targets[at*classes:], b.Targets[k*classes:][:classes])
						got[i].Labels[at], got[i].Indices[at] = b.Labels[k], b.Indices[k]
					}
					if b.Whole != w.Size || len(b.Places) != b.Size || !slices.IsSorted(b.Places) {
						t.Errorf("share %v of %d of %d", b.Places, b.Size, b.Whole)
					}
					sizes[rank] = b.Size
					got[i].Size += b.Size
					got[i].Step, got[i].Height, got[i].Width, got[i].Channels = b.Step, b.Height, b.Width, b.Channels
				}
			}
			if !slices.EqualFunc(got, whole, equal) || slices.Max(sizes)-slices.Min(sizes) > opt.together() {
				t.Errorf("mode %q, shares of %v: the batches differ from one loader's", mode, sizes)
			}
		}
	}
}

func TestPart(t *testing.T) {
	l := newLoader(t, newFakeSet(43), trainOptions())
	whole := batches(t, l, 1, 0)
	it := l.Part(t.Context(), 1, 3, 5)
	defer it.Close()
	for _, want := range whole[3:5] {
		if b, err := it.Next(); err != nil || !equal(*b, want) {
			t.Fatalf("%v", err)
		}
	}
	if _, err := it.Next(); err == nil {
		t.Error("a batch after the end")
	}
}

func TestShareErrors(t *testing.T) {
	for _, c := range []struct {
		want   string
		change func(o *LoaderOptions)
	}{
		{"4 samples cannot be shared by 3 ranks: mixup", func(o *LoaderOptions) { o.Ranks = 3 }},
		{"4 samples cannot be shared by 5 ranks: use", func(o *LoaderOptions) { o.Ranks, o.Mix = 5, nil }},
		{"3 samples cannot be shared by 4", func(o *LoaderOptions) { o.Ranks, o.Mix, o.DropLast = 4, nil, false }},
		{"rank 2 of 2", func(o *LoaderOptions) { o.Rank, o.Ranks = 2, 2 }},
	} {
		t.Run(c.want, func(t *testing.T) {
			o := trainOptions()
			c.change(&o)
			if _, err := NewLoader(newFakeSet(43), o); err == nil || !strings.Contains(fmt.Sprint(err), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
