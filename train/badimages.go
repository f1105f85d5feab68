package train

import (
	"encoding/json"
	"maps"
	"slices"

	"fasternet/data"
)

// fewBad is how many bad images of a part are named during a run.
const fewBad = 10

// badImages are the images of a part that could not be read (data.on_bad_image: skip), by index.
type badImages map[int]bool

// note remembers images and names the first of them.
func (b *badImages) note(show *Display, bad []data.BadSample) {
	for _, s := range bad {
		if (*b)[s.Index] {
			continue
		}
		if *b == nil {
			*b = badImages{}
		}
		if (*b)[s.Index] = true; len(*b) <= fewBad {
			show.Line("warning: %v; another image replaces it", s.Err)
		}
	}
}

// countBad says at the end of a run how many images were bad on any rank. All ranks must have reached it.
func (t *trainer) countBad() error {
	for _, part := range []struct {
		name string
		bad  badImages
		all  data.Dataset
	}{{"training", t.bad, t.train}, {"validation", t.badVal, t.val}} {
		text, err := json.Marshal(slices.Collect(maps.Keys(part.bad)))
		if err != nil {
			return err
		}
		texts, err := t.ranks.Gather(text)
		if err != nil {
			return err
		}
		bad := badImages{}
		for _, text := range texts {
			var some []int
			if err := json.Unmarshal(text, &some); err != nil {
				return err
			}
			for _, i := range some {
				bad[i] = true
			}
		}
		if n := len(bad); n > 0 {
			t.show.Line("warning: %d of %d %s images could not be read and were replaced by others; "+
				"list them with fasternet-train data verify",
				n, part.all.Len(), part.name)
		}
	}
	return nil
}
