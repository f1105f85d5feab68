//go:build !race

// The race detector makes these tests fail, because it makes sync.Pool drop items at random, or
// makes them slow.

package data

import (
	"testing"

	"fasternet/data/augment"
	"fasternet/data/picture"
	"fasternet/internal/rng"
)

func TestApplyDoesNotAllocate(t *testing.T) {
	small, large := trainTransform(32, 3), trainTransform(40, 3)
	all, jitter := trainTransform(40, 3), trainTransform(40, 3)
	all.RandAugment = parsed(t, "rand-m9-n4-mstd0.5-inc1-p1")
	all.Erasing = augment.Erasing{Prob: 0.5, Mode: augment.EraseRand, Count: 3, Area: erasingArea}
	jitter.ColorJitter = 0.4
	grey, rgb := picture.NewImage(28, 28, 1), picture.NewImage(60, 60, 3)
	dst := make([]float32, 40*40*3)
	r := rng.New(1, rng.Augment)
	for _, c := range []struct {
		name  string
		apply func() error
	}{
		{"small", func() error { return small.Apply(grey, r, dst[:32*32*3]) }},
		{"large", func() error { return large.Apply(rgb, r, dst) }},
		{"all", func() error { return all.Apply(rgb, r, dst) }},
		{"jitter", func() error { return jitter.Apply(rgb, r, dst) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if n := testing.AllocsPerRun(200, func() {
				if err := c.apply(); err != nil {
					t.Error(err)
				}
			}); n > 0 {
				t.Errorf("%s: %v allocations per image", c.name, n)
			}
		})
	}
}
