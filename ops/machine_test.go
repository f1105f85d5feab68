package ops

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"weak"

	"fasternet/kernels"
)

// What nobody refers to is freed, machine and graph too.
func TestMachineIsFreed(t *testing.T) {
	use := func() weak.Pointer[Tape] {
		h := newHarness(t, 1, true)
		h.block(rand.New(rand.NewPCG(1, 2)), 1, 4, 4, 8, 2, 16, kernels.GELU, false, false)
		h.run()
		return weak.Make(h.tape)
	}
	tape := use()
	for range 3 { // the first makes the pools of the library forget
		runtime.GC()
	}
	if tape.Value() != nil {
		t.Error("the tape is still there")
	}
}
