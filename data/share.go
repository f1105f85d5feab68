package data

import "fmt"

// share is the part of a batch that one rank makes.
type share struct {
	size   int
	places []int // in the batch, ascending; nil for all of it
}

// place returns the position in the batch of sample k of the share.
func (s *share) place(k int) int {
	if s.places == nil {
		return k
	}
	return s.places[k]
}

// share cuts a batch of n samples. A share is a run of samples. If samples are mixed it
// consists of whole pairs, so that no sample is made twice: a run of the first half and its
// partners in the second half. In the share its pairs are again samples k and size-1-k.
func (opt *LoaderOptions) share(n int) share {
	if opt.Ranks <= 1 {
		return share{size: n}
	}
	s := share{places: []int{}}
	run := func(from, to int) {
		for p := from; p < to; p++ {
			s.places = append(s.places, p)
		}
	}
	units := n / opt.together()
	from, to := units*opt.Rank/opt.Ranks, units*(opt.Rank+1)/opt.Ranks
	run(from, to)
	if opt.together() == 2 {
		run(n-to, n-from)
	}
	s.size = len(s.places)
	return s
}

// together returns how many samples must be on the same rank.
func (opt *LoaderOptions) together() int {
	if opt.Mix != nil && opt.Mix.mixes() {
		return 2
	}
	return 1
}

// checkShare returns an error unless every rank gets a share of all batches. The last batch
// has last samples.
func (opt *LoaderOptions) checkShare(last int) error {
	least := opt.Ranks * opt.together()
	switch {
	case opt.Ranks < 0 || opt.Rank < 0 || opt.Rank >= max(opt.Ranks, 1):
		return fmt.Errorf("data: rank %d of %d loaders; ranks count from 0", opt.Rank, opt.Ranks)
	case opt.Ranks <= 1 || last >= least:
		return nil
	case opt.together() == 2:
		return fmt.Errorf("data: a batch of %d samples cannot be shared by %d ranks: "+
			"mixup and CutMix need at least 2 per rank, %d together; "+
			"use a larger batch (train.batch_size), fewer ranks, or no mixing", last, opt.Ranks, least)
	}
	return fmt.Errorf("data: a batch of %d samples cannot be shared by %d ranks: "+
		"use a larger batch (train.batch_size) or fewer ranks", last, opt.Ranks)
}
