package data

import (
	"fmt"
	"math"

	"fasternet/internal/rng"
)

// Sampling says how often an epoch shows the samples of each class (Kang et al., "Decoupling
// Representation and Classifier for Long-Tailed Recognition", 2020). The length of an epoch
// stays the same: as many draws as the dataset has samples.
type Sampling string

// The samplings.
const (
	InstanceSampling Sampling = "instance" // every sample once: a class is seen as often as it has samples
	SqrtSampling     Sampling = "sqrt"     // a class is seen in proportion to the square root of its samples
	BalancedSampling Sampling = "balanced" // every class is seen equally often
)

// check returns an error if the sampling is unknown.
func (s Sampling) check() error {
	switch s {
	case "", InstanceSampling, SqrtSampling, BalancedSampling:
		return nil
	}
	return fmt.Errorf("data: unknown sampling %q; use %s, %s or %s",
		string(s), InstanceSampling, SqrtSampling, BalancedSampling)
}

// even says whether every sample is shown once in an epoch.
func (s Sampling) even() bool { return s == "" || s == InstanceSampling }

// draws makes the epochs of a sampling that is not even. What an epoch shows depends on the
// seed and the epoch alone. So an epoch can be resumed at any step, and is the same for all
// ranks and any number of workers.
type draws struct {
	groups [][]int // samples that are drawn equally often
	// until has, for each group, how many draws are expected for the groups up to this one.
	// The last is the length of an epoch.
	until []float64
}

// newDraws groups the samples of a dataset by their classes.
//
// With n samples in a class, the chance of each is proportional to 1/n for balanced and to
// 1/√n for sqrt sampling. For a sample with several labels the rarest one counts, as in the
// repeat factor sampling of Gupta et al. ("LVIS: A Dataset for Large Vocabulary Instance
// Segmentation", 2019). Samples without a label form their own class.
func newDraws(ds Dataset, s Sampling) (*draws, error) {
	byClass, counts, err := groups(ds)
	if err != nil {
		return nil, err
	}
	d := &draws{}
	var shares []float64
	var total float64
	for c, rows := range byClass {
		if len(rows) == 0 {
			continue
		}
		share := float64(len(rows))
		switch s {
		case BalancedSampling:
			share /= float64(counts[c])
		case SqrtSampling:
			share /= math.Sqrt(float64(counts[c]))
		default:
			return nil, fmt.Errorf("data: sampling %q draws nothing", string(s))
		}
		d.groups = append(d.groups, rows)
		shares = append(shares, share)
		total += share
	}
	sum := 0.0
	for _, share := range shares {
		sum += share
		d.until = append(d.until, sum/total*float64(ds.Len()))
	}
	d.until[len(d.until)-1] = float64(ds.Len())
	return d, nil
}

// groups returns the samples of each class, and how many samples have the class. A sample
// with several labels is in the group of the rarest; the last group has the samples without
// a label.
func groups(ds Dataset) (byClass [][]int, counts []int, err error) {
	if counts, err = CountClasses(ds); err != nil {
		return nil, nil, err
	}
	none := len(counts)
	byClass = make([][]int, none+1)
	for i := range ds.Len() {
		c := none
		for _, l := range LabelSet(ds, i) {
			if c == none || counts[l] < counts[c] {
				c = l
			}
		}
		byClass[c] = append(byClass[c], i)
	}
	return byClass, append(counts, len(byClass[none])), nil
}

// epoch draws the samples of an epoch in a random order. times says how often the epoch has
// shown each of them before.
//
// It is systematic sampling over the classes one after the other, with the samples of each
// in a random order. So for every class the number of draws differs from the expected one by
// less than 1, and between two samples of a class by at most 1.
func (d *draws) epoch(seed uint64, epoch int) (order, times []int) {
	r := rng.New(seed, rng.Sample, uint64(epoch))
	offset, length := r.Float64(), d.until[len(d.until)-1]
	done, from := 0, 0.0
	for g, rows := range d.groups {
		width := d.until[g] - from
		for k, at := range r.Perm(len(rows)) {
			// The conversion rounds the product before the sum, on every processor.
			to := from + float64(width*(float64(k+1)/float64(len(rows))))
			if k+1 == len(rows) {
				to = d.until[g]
			}
			upTo := int(min(math.Floor(to+offset), length))
			for time := 0; done < upTo; time++ {
				order, times = append(order, rows[at]), append(times, time)
				done++
			}
		}
		from = d.until[g]
	}
	r.Shuffle(len(order), func(i, j int) {
		order[i], order[j] = order[j], order[i]
		times[i], times[j] = times[j], times[i]
	})
	return order, times
}
