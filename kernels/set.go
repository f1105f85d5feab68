package kernels

import (
	"fmt"
	"slices"
)

// Set is all kernels of one variant, with one path of bf16 or none. Its methods are the kernels. A
// set never changes, and several goroutines may use it at the same time. A [Pool] has the set that
// its tasks use.
type Set struct {
	functions
	variant Variant
	half    *halfFunctions // nil without bf16
	int8    *int8Functions
	off     bool   // BF16Variable switches bf16 off
	meter   *Meter // nil without measurements
}

// Variant returns the variant of all kernels except the products in bf16.
func (k *Set) Variant() Variant { return k.variant }

// BF16 returns the path of the products in bf16, or "" for none.
func (k *Set) BF16() BF16Path {
	if k.half == nil {
		return ""
	}
	return k.half.path
}

// String names the variant, and the path if there is one: "avx512 kernels, bf16 (amx)".
func (k *Set) String() string {
	switch {
	case k == nil:
		return "no kernels"
	case k.half == nil:
		return k.Describe(FP32)
	}
	return k.Describe(BF16)
}

// choice is what a set is made from.
type choice struct {
	variant Variant
	bf16    BF16Path
}

// Made when the package is loaded, and not changed after that. There is one set for each choice, so
// sets can be compared by address.
var (
	sets        = map[choice]*Set{}
	standard    *Set
	standardErr error
)

// makeSets makes the sets of all registered variants and paths.
func makeSets() {
	for v, f := range variants {
		f.addPlainActivations()
		add := func(p BF16Path, h *halfFunctions) {
			sets[choice{v, p}] = &Set{functions: *f, variant: v, half: h, int8: int8Of(v), off: p == bf16Off}
		}
		add("", nil)
		add(bf16Off, nil)
		for _, p := range bf16Paths {
			if h := halfOf(p, v); h != nil {
				h.complete(f)
				add(p, h)
			}
		}
	}
}

// New returns the set of a variant with a path of bf16, or with none if p is empty. The error lists
// the variants or the paths that there are, or says why this one cannot be used.
func New(v Variant, p BF16Path) (*Set, error) {
	if variants[v] == nil {
		return nil, fmt.Errorf("kernels: variant %q is not available here: want one of %v", v, Available())
	}
	if p == "" || p == bf16Off {
		return sets[choice{v, p}], nil
	}
	if !slices.Contains(bf16Paths, p) {
		return nil, fmt.Errorf("kernels: bf16 path %q: want one of %v", p, AvailableBF16(v))
	}
	if r := p.refusal(v); r != "" {
		return nil, fmt.Errorf("kernels: bf16 path %s", r)
	}
	return sets[choice{v, p}], nil
}

// Default returns the set that the environment named when the program started, by EnvVariable and
// BF16Variable, or the fastest one.
func Default() *Set { return standard }

// DefaultError says which kernels the environment asks for that are not available here. Default
// then returns the fastest that are.
func DefaultError() error { return standardErr }

// choose returns the set for the values of EnvVariable and BF16Variable. With an error it also
// returns the best set instead.
func choose(variant, path string) (*Set, error) {
	v := Available()[0]
	if variant != "" {
		k, err := New(Variant(variant), "")
		if err != nil {
			k, _ = choose("", path)
			return k, fmt.Errorf("%s=%s: %w", EnvVariable, variant, err)
		}
		v = k.variant
	}
	if path == "" { // the fastest that is not emulated
		for _, p := range AvailableBF16(v) {
			if p != BF16Go {
				return sets[choice{v, p}], nil
			}
		}
		return sets[choice{v, ""}], nil
	}
	k, err := New(v, BF16Path(path))
	if err != nil {
		return sets[choice{v, ""}], fmt.Errorf("%s=%s: %w", BF16Variable, path, err)
	}
	return k, nil
}
