package data

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"fasternet/internal/datatest"
)

// skewed has many images of some classes and few of others.
type skewed struct {
	*fakeSet
	labels []int
}

func (d skewed) Len() int        { return len(d.labels) }
func (d skewed) Label(i int) int { return d.labels[i] }

// newSkewed returns a dataset with this many images of each class. Classes alternate as long as
// they have images.
func newSkewed(counts ...int) skewed {
	d := skewed{fakeSet: newFakeSet(0)}
	for left := slices.Clone(counts); slices.Max(left) > 0; {
		for c := range left {
			if left[c] > 0 {
				d.labels = append(d.labels, c)
				left[c]--
			}
		}
	}
	d.fakeSet = newFakeSet(len(d.labels))
	return d
}

func TestSampling(t *testing.T) {
	counts := []int{97, 24, 0, 3}
	n := 124
	ds := newSkewed(counts...)
	sqrt := math.Sqrt(97) + math.Sqrt(24) + math.Sqrt(3)
	for _, c := range []struct {
		sampling Sampling
		want     []float64 // draws of each class
	}{
		{BalancedSampling, []float64{124.0 / 3, 124.0 / 3, 0, 124.0 / 3}},
		{SqrtSampling, []float64{124 * math.Sqrt(97) / sqrt, 124 * math.Sqrt(24) / sqrt, 0, 124 * math.Sqrt(3) / sqrt}},
	} {
		t.Run(string(c.sampling), func(t *testing.T) {
			d, err := newDraws(ds, c.sampling)
			if err != nil {
				t.Fatal(err)
			}
			var total [4]int
			everSeen := make([]bool, n)
			var before []int
			for epoch := range 30 {
				order, times := d.epoch(7, epoch)
				if len(order) != n || len(times) != n {
					t.Fatalf("epoch %d has %d draws, want %d", epoch, len(order), n)
				}
				var drawn [4]int
				each := make([]int, n)
				for _, i := range order {
					drawn[ds.Label(i)]++
					each[i]++
					everSeen[i] = true
				}
				for c2, w := range c.want {
					if got := float64(drawn[c2]); math.Abs(got-w) >= 1 {
						t.Errorf("epoch %d: %v draws of class %d, want %v", epoch, got, c2, w)
					}
					total[c2] += drawn[c2]
				}
				least, most := map[int]int{}, map[int]int{}
				for i, k := range each {
					l := ds.Label(i)
					if _, ok := least[l]; !ok {
						least[l], most[l] = k, k
					}
					least[l], most[l] = min(least[l], k), max(most[l], k)
				}
				for l := range least {
					if most[l]-least[l] > 1 {
						t.Errorf("epoch %d: an image of class %d is drawn %d times, another %d times",
							epoch, l, least[l], most[l])
					}
				}
				// Every view of an image has its own number, from 0.
				for i, k := range each {
					var numbers []int
					for at, j := range order {
						if j == i {
							numbers = append(numbers, times[at])
						}
					}
					slices.Sort(numbers)
					for want := range k {
						if numbers[want] != want {
							t.Fatalf("epoch %d: the draws of image %d have the numbers %v", epoch, i, numbers)
						}
					}
				}
				if slices.Equal(order, before) {
					t.Error("two epochs are the same")
				}
				before = order
			}
			for c2, w := range c.want {
				if got := float64(total[c2]) / 30; math.Abs(got-w) > 0.5 {
					t.Errorf("class %d: %v draws an epoch on average, want %v", c2, got, w)
				}
			}
			if slices.Contains(everSeen, false) {
				t.Error("an image was not shown in 30 epochs")
			}
		})
	}
}

// With sampling, batches depend neither on the workers, nor on the step at which an epoch
// resumes, nor on the number of ranks. An image that is shown twice is augmented in two ways.
func TestSamplingOfLoader(t *testing.T) {
	ds := newSkewed(40, 7, 1)
	options := func() LoaderOptions {
		o := trainOptions()
		o.Batch, o.Sampling, o.DropLast = 8, BalancedSampling, true
		return o
	}
	for _, repeats := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d repeats", repeats), func(t *testing.T) {
			o := options()
			o.Repeats = repeats
			want := batches(t, newLoader(t, ds, o), 3, 0)
			if len(want) != 6 {
				t.Fatalf("%d batches, want 6", len(want))
			}
			o.Workers, o.Prefetch = 1, 0
			for start := range want {
				for k, b := range batches(t, newLoader(t, ds, o), 3, start) {
					if !equal(b, want[start+k]) {
						t.Fatalf("batch %d differs when the epoch starts at step %d", start+k, start)
					}
				}
			}
			o.Ranks = 2
			size := len(want[0].Images) / 8
			for rank := range 2 {
				o.Rank = rank
				for k, b := range batches(t, newLoader(t, ds, o), 3, 0) {
					for at, place := range b.Places {
						same := b.Indices[at] == want[k].Indices[place] &&
							slices.Equal(b.Images[at*size:][:size], want[k].Images[place*size:][:size])
						if !same {
							t.Fatalf("rank %d: sample %d of batch %d differs", rank, place, k)
						}
					}
				}
			}
			views := map[int][][]float32{} // of the only image of its class
			for _, b := range want {
				for k, i := range b.Indices {
					if ds.Label(i) == 2 {
						views[i] = append(views[i], b.Images[k*size:][:size])
					}
				}
			}
			for _, all := range views {
				if len(all) < 10 {
					t.Errorf("the only image of a class is shown %d times in an epoch of 48", len(all))
				}
				different := map[string]bool{}
				for _, v := range all {
					different[fmt.Sprint(v)] = true
				}
				if len(different) < len(all)/2 {
					t.Errorf("%d views of an image, and only %d differ", len(all), len(different))
				}
			}
		})
	}
	o := options()
	o.Sampling = "class"
	_, err := NewLoader(ds, o)
	datatest.WantError(t, err, `unknown sampling "class"; use instance, sqrt or balanced`)
	o.Sampling, o.Shuffle = SqrtSampling, false
	_, err = NewLoader(ds, o)
	datatest.WantError(t, err, "set LoaderOptions.Shuffle")
}
