package train

import (
	"encoding/json"
	"maps"
	"slices"

	"fasternet/data"
)

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

// countBad says at the end of a run, which all ranks have come to, how many there were.
func (t *trainer) countBad() error {
	text, err := json.Marshal(slices.Collect(maps.Keys(t.bad)))
	if err != nil {
		return err
	}
	all, err := t.ranks.Gather(text)
	if err != nil {
		return err
	}
	bad := map[int]bool{}
	for _, text := range all {
		var some []int
		if err := json.Unmarshal(text, &some); err != nil {
			return err
		}
		for _, i := range some {
			bad[i] = true
		}
	}
	if n := len(bad); n > 0 {
		t.show.Line("warning: %d of %d training images could not be read and were replaced by others; fasternet-train data verify lists them", n, t.train.Len())
	}
	return nil
}
