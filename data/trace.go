package data

import "fasternet/data/picture"

// Trace is what a picture of a batch shows: of which sample, and what was done to it. It is
// for people who look at pictures; [LoaderOptions].Trace asks for it.
type Trace struct {
	Index         int         // of the sample in the dataset; of a replaced one that which took its place
	Height, Width int         // of its image in pixels
	Crop          picture.Box // the part of the image that is shown; what lies beyond it is black
	Flipped       bool        // horizontally
	Operations    []string    // that changed colours or shape, in their order, with timm's names
	Erased        int         // rectangles

	Partner int     // position in the batch of the picture that is mixed in; -1 for none
	Lambda  float64 // share of its own label, the rest is that of the partner; 1 if it is not mixed
	Cut     bool    // CutMix: a box of it is the partner's; else the two are blended
}

// note has f note what a transform does to the picture, if somebody wants to know.
func (src *input) note(f func(t *Trace)) {
	if src.trace != nil {
		f(src.trace)
	}
}

// mixed notes how the pictures of a batch were mixed, with one draw or one for each.
func (s *slot) mixed(draws []mixing) {
	for k := range s.Traces {
		d := draws[min(k, len(draws)-1)]
		if d.lambda < 1 {
			t := &s.Traces[k]
			t.Partner, t.Lambda, t.Cut = s.Size-1-k, d.lambda, d.cut
		}
	}
}
