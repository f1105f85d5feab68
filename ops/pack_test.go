package ops

import (
	"testing"
	"unsafe"

	"fasternet/kernels"
)

// The packed weights of a graph follow one another in memory, in the order of their use. Another
// graph shares them, and gets memory only for its own.
func TestPlacePacks(t *testing.T) {
	first, second := NewParam("first", 33, 7), NewParam("second", 10, 33)
	plan := func(params ...*Param) *Tape {
		tape := newHarness(t, 1, false).tape
		x := tape.Input("x", 2, params[0].Shape()[1])
		for _, p := range params {
			var err error
			if x, err = Linear(tape, p.Name, x, p, nil); err != nil {
				t.Fatal(err)
			}
		}
		tape.Keep(x)
		if err := tape.Plan(); err != nil {
			t.Fatal(err)
		}
		return tape
	}
	address := func(q *pack) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(q.memory))) }
	packs := plan(first, second).packs
	if len(packs) != 2 {
		t.Fatalf("%d packs, want 2", len(packs))
	}
	if got, want := address(packs[1])-address(packs[0]), uintptr(4*packs[0].size()); got != want {
		t.Errorf("the second pack begins %d bytes after the first, want %d", got, want)
	}
	for _, q := range packs {
		if address(q)%64 != 0 {
			t.Error("a pack does not begin at a cache line")
		}
		if need := kernels.Default().PackedLen(q.rows, q.cols, kernels.FP32); len(q.memory) < need ||
			q.K != q.rows ||
			q.N != q.cols {
			t.Errorf("%d values for a pack of %d×%d, want %d; it is used as %d×%d",
				len(q.memory), q.rows, q.cols, need, q.K, q.N)
		}
	}
	before := address(packs[1])
	if shared := plan(second).packs; shared[0] != packs[1] || address(shared[0]) != before {
		t.Error("another graph does not share the pack")
	}
}
