package eval_test

import (
	"strings"
	"testing"

	"fasternet/eval"
)

// Labels are numbers: they must mean the same classes in the data set and the model.
func TestCheckClasses(t *testing.T) {
	ten := []string{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}
	for _, c := range []struct {
		have, trained []string
		outputs       int
		note, err     string
	}{
		{have: ten, trained: ten, outputs: 10},
		{have: ten[:3], trained: ten[:3], outputs: 1000}, // a head with room
		{have: ten[:3], trained: ten, outputs: 10, note: "the first 3 of the 10 classes"},
		{have: []string{"cat", "dog", "ship"}, trained: ten, outputs: 10, err: `the data set has 3 classes, the model was trained on 10: class 0 is "cat" in the data set and "airplane" in the model, class 1 is "dog" in the data set and "automobile" in the model`},
		{have: []string{"plane", "car"}, trained: ten[:2], outputs: 2, note: `class 0 is "plane" in the data set and "airplane" in the model`},
		{have: ten[:4], trained: ten[:2], outputs: 10, err: `class 2 is "bird" in the data set and unknown to the model`},
		{have: []string{"0", "1", "2"}, trained: ten, outputs: 10, note: "3 classes, the model was trained on 10; labels are compared by their number"},
		{have: ten[:3], outputs: 1000, note: "3 classes, the model 1000, and it does not say"},
		{have: ten, outputs: 10},
		{have: ten, trained: ten[:3], outputs: 3, err: "the data set has 10 classes, the model only 3"},
		{have: []string{"k", "l", "m", "n", "o"}, trained: ten, outputs: 10, err: "…; its labels"},
	} {
		note, err := eval.CheckClasses(c.have, c.trained, c.outputs)
		if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%v of %v: error %v, want %q", c.have, c.trained, err, c.err)
		}
		if (note != "") != (c.note != "") || !strings.Contains(note, c.note) {
			t.Errorf("%v of %v: note %q, want %q", c.have, c.trained, note, c.note)
		}
	}
}
