package golden

import (
	"fmt"
	"testing"

	"fasternet/internal/rng"
)

func TestFormula(t *testing.T) {
	var vectors []struct {
		Name   string
		Seed   int
		Key    string `json:"fnv1a64"`
		Values []string
		Unit   []float64
		Image  []float32
	}
	JSON(t, "fill_vectors.json", &vectors)
	for _, v := range vectors {
		if key := fmt.Sprintf("%016x", rng.Hash(fmt.Sprintf("%s#%d", v.Name, v.Seed))); key != v.Key {
			t.Errorf("key of %q: %s, want %s", v.Name, key, v.Key)
		}
		r, unit, image := number(v.Name, v.Seed), Unit(v.Name, v.Seed, len(v.Unit)), Image(v.Name, v.Seed, len(v.Image))
		for i := range v.Values {
			if got := fmt.Sprintf("%016x", r(i)); got != v.Values[i] || unit[i] != v.Unit[i] || image[i] != v.Image[i] {
				t.Errorf("%q number %d: %s %v %v, want %s %v %v",
					v.Name, i, got, unit[i], image[i], v.Values[i], v.Unit[i], v.Image[i])
			}
		}
	}
}
