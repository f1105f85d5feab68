package ops

import (
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"weak"

	"fasternet/kernels"
)

// Machine and graph are freed if nothing refers to them.
func TestMachineIsFreed(t *testing.T) {
	use := func() weak.Pointer[Tape] {
		h := newHarness(t, 1, true)
		h.block(rand.New(rand.NewPCG(1, 2)), 1, 4, 4, 8, 2, 16, kernels.GELU, false, false)
		h.run()
		return weak.Make(h.tape)
	}
	tape := use()
	for range 3 { // the first round makes the pools of the library forget
		runtime.GC()
	}
	if tape.Value() != nil {
		t.Error("the tape is still there")
	}
}

// An input without a value is an error that names it.
func TestMachineWithoutInput(t *testing.T) {
	pool := kernels.NewPool(1)
	defer pool.Close()
	tape := NewTape(NewWorkspace(pool), false)
	y, err := GlobalAvgPool(tape, "pool", tape.Input("pixels", 1, 2, 2, 3))
	if err != nil {
		t.Fatal(err)
	}
	tape.Keep(y)
	if err := tape.Plan(); err != nil {
		t.Fatal(err)
	}
	if err := tape.Run(tape.NewMachine()); err == nil || !strings.Contains(err.Error(), "pixels") {
		t.Errorf("got %v", err)
	}
}
