package train

import "fasternet/data"

// fewBad is how many bad images are named while a run goes on.
const fewBad = 10

// noteBad remembers the training images that could not be read (data.on_bad_image:
// skip), and names the first of them.
func (t *trainer) noteBad(bad []data.BadSample) {
	for _, b := range bad {
		if t.bad[b.Index] {
			continue
		}
		if t.bad == nil {
			t.bad = map[int]bool{}
		}
		if t.bad[b.Index] = true; len(t.bad) <= fewBad {
			t.show.Line("warning: %v; another image takes its place", b.Err)
		}
	}
}

// countBad says at the end how many there were, as far as this rank has seen them.
func (t *trainer) countBad() {
	if n := len(t.bad); n > 0 {
		t.show.Line("warning: %d of %d training images could not be read and were replaced by others; fasternet-train data verify lists them", n, t.train.Len())
	}
}
