package printable

import "testing"

func TestCount(t *testing.T) {
	for _, c := range []struct {
		n    int
		noun string
		want string
	}{
		{0, "image", "0 images"},
		{1, "training image", "1 training image"},
		{2, "class", "2 classes"},
		{1, "class", "1 class"},
		{1000, "batch", "1000 batches"},
		{3, "epoch", "3 epochs"},
	} {
		t.Run(c.want, func(t *testing.T) {
			if got := Count(c.n, c.noun); got != c.want {
				t.Errorf("got %q", got)
			}
		})
	}
}
