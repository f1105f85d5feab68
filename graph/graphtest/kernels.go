// Package graphtest holds what the tests of models share: every variant of the kernels, weights and
// images, and the comparison of two runs that must have the same bits.
package graphtest

import (
	"testing"

	"fasternet/kernels"
)

// Pool is a pool of two workers on a set of kernels, for as long as the test runs.
func Pool(t testing.TB, k *kernels.Set) *kernels.Pool {
	t.Helper()
	pool := k.NewPool(2)
	t.Cleanup(pool.Close)
	return pool
}

// EveryVariant runs a test with every variant of the kernels that this machine has.
func EveryVariant(t *testing.T, f func(t *testing.T, k *kernels.Set)) {
	t.Helper()
	for _, v := range kernels.Available() {
		k, err := kernels.New(v, "")
		if err != nil {
			t.Fatal(err)
		}
		t.Run(string(v), func(t *testing.T) { f(t, k) })
	}
}

// EveryBF16 runs a test with each path of bf16, or in the emulation if the processor has none.
func EveryBF16(t *testing.T, f func(t *testing.T, k *kernels.Set)) {
	t.Helper()
	v := kernels.Default().Variant()
	paths := kernels.AvailableBF16(v)
	if refused := kernels.Default().BF16Refusals(); len(refused) > 0 {
		t.Logf("NOT TESTED HERE: %v", refused)
	}
	if len(paths) > 1 && testing.Short() {
		paths = paths[:len(paths)-1]
	}
	for _, p := range paths {
		k, err := kernels.New(v, p)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(string(p), func(t *testing.T) { f(t, k) })
	}
}
