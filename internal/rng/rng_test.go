package rng_test

import (
	"fmt"
	"testing"

	"fasternet/internal/rng"
)

func ExampleNew() {
	// The flip of sample 17 in epoch 3 is always the same.
	a := rng.New(42, rng.Augment, 3, 17).Float64() < 0.5
	b := rng.New(42, rng.Augment, 3, 17).Float64() < 0.5
	fmt.Println(a == b)
	// Output: true
}

func TestStreamsDiffer(t *testing.T) {
	seen := map[uint64]string{}
	add := func(name string, seed uint64, p rng.Purpose, at ...uint64) {
		t.Helper()
		v := rng.New(seed, p, at...).Uint64()
		if other, ok := seen[v]; ok {
			t.Errorf("%s draws the same number as %s", name, other)
		}
		seen[v] = name
	}
	for seed := uint64(0); seed < 4; seed++ {
		for _, p := range []rng.Purpose{rng.Init, rng.Shuffle, rng.Augment, rng.Mix, rng.Mask, rng.DropPath} {
			add(fmt.Sprint(seed, p), seed, p)
			for i := uint64(0); i < 50; i++ {
				add(fmt.Sprint(seed, p, i), seed, p, i)
				for j := uint64(0); j < 50; j++ {
					add(fmt.Sprint(seed, p, i, j), seed, p, i, j)
				}
			}
		}
	}
}

func TestUniform(t *testing.T) {
	// First draws of neighbouring positions must look independent: their mean and the correlation of
	// neighbours are within five standard errors.
	const n = 20000
	var sum, cross, prev float64
	for i := 0; i < n; i++ {
		v := rng.New(1, rng.Augment, 0, uint64(i)).Float64() - 0.5
		sum += v
		cross += v * prev
		prev = v
	}
	if m := sum / n; m > 0.0102 || m < -0.0102 {
		t.Errorf("mean of first draws is off by %v", m)
	}
	if c := cross / n; c > 0.003 || c < -0.003 {
		t.Errorf("neighbouring first draws correlate: %v", c)
	}
}
