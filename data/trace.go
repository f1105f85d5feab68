package data

import "fasternet/data/picture"

// Trace says what a picture of a batch shows: which sample it is, and what was done to it.
// It is for people who look at pictures; [LoaderOptions].Trace asks for it.
type Trace struct {
	Index         int         // sample index in the dataset; if another sample replaced it, the index of this one
	Height, Width int         // of its image in pixels
	Crop          picture.Box // the part of the image that is shown; outside of the image it is black
	Flipped       bool        // horizontally
	Operations    []string    // operations that changed colours or shape, in order, by timm's names
	Erased        int         // number of erased rectangles

	Partner int     // position in the batch of the picture that is mixed in; -1 for none
	Lambda  float64 // share of its own label; the rest is the partner's share; 1 if it is not mixed
	Cut     bool    // CutMix: a box comes from the partner; otherwise the two are blended
}

// note calls f to record what a transform does to the picture, if somebody asked for it.
func (src *input) note(f func(t *Trace)) {
	if src.trace != nil {
		f(src.trace)
	}
}

// mixed records how the pictures of a batch were mixed, with one draw or one for each.
func (s *slot) mixed(draws []mixing) {
	for k := range s.Traces {
		d := draws[min(k, len(draws)-1)]
		if d.lambda < 1 {
			t := &s.Traces[k]
			t.Partner, t.Lambda, t.Cut = s.Size-1-k, d.lambda, d.cut
		}
	}
}
