package ops

import (
	"math/rand/v2"
	"slices"
	"testing"

	"fasternet/kernels"
)

// A trace has the ops in their order, with their regions and the memory of each op.
func TestTrace(t *testing.T) {
	t.Parallel()
	build := func() *harness {
		h := newHarness(t, 2, true)
		h.block(rand.New(rand.NewPCG(1, 2)), 4, 6, 5, 24, 6, 48, kernels.GELU, false, true)
		return h
	}
	plain, h := build(), build()
	p := NewProfile(h.tape.Pool())
	h.tape.Measure(p)
	trace := p.Record()
	p.Section("section", "clear", func() { h.tape.Pool().Run(3, func(_, _ int) {}) })
	h.tape.Pool().Run(2, func(_, _ int) {})
	if got, want := h.run(), plain.run(); got != want {
		t.Errorf("the trace changes %v to %v", want, got)
	}
	ops := trace.Take()
	trace.Stop()
	h.run()
	if more := trace.Take(); slices.ContainsFunc(more, func(o TracedOp) bool { return len(o.Regions) > 0 }) {
		t.Errorf("after the end: %+v", more)
	}
	var kinds []string
	for _, o := range ops {
		if o.Kind != KindGradient {
			kinds = append(kinds, o.Kind)
		}
		if o.Wall < 0 || o.Begin.IsZero() {
			t.Errorf("%s: %+v", o.Kind, o)
		}
		bytes, regions := 0, len(o.Regions)
		for _, m := range o.Memory {
			if m.Address == 0 {
				t.Errorf("%s: memory nowhere", o.Kind)
			}
			bytes += m.Bytes
		}
		const value, rows, c, partial, hidden = 4, 4 * 6 * 5, 24, 6, 48
		weights := value * (partial*partial*9 + 2*c*hidden + 2*hidden) // with the norm
		switch o.Kind {
		case "section", "":
			if regions != 1 || bytes != 0 {
				t.Errorf("%q: %d regions, %d bytes", o.Kind, regions, bytes)
			}
		case KindFasterNetBlock:
			// with the factors of drop path
			if want := value*(rows*(2*c+partial+hidden)+4) + weights; regions != 2 || bytes != want {
				t.Errorf("forward: %d regions, %d bytes, want %d", regions, bytes, want)
			}
		case KindFasterNetBlock + GradSuffix:
			if least := value*rows*(3*c+partial+2*hidden) + 2*weights; regions < 3 ||
				bytes < least ||
				bytes > 40*least {
				t.Errorf("backward: %d regions, %d bytes, want %d at least", regions, bytes, least)
			}
		}
	}
	if want := []string{"section", "", KindPack, KindFasterNetBlock}; len(kinds) < 6 || !slices.Equal(kinds[:4], want) {
		t.Errorf("the ops are %v, want %v first", kinds, want)
	}
}
