package ops

import (
	"runtime"

	"gorgonia.org/gorgonia"
)

// NewMachine makes the machine that [Tape.Run] takes. Call Plan first.
//
// Make no tape machine in another way. Gorgonia sets a finalizer on each, and a
// machine is part of a cycle: it refers to the graph, the graph to the ops, and they
// to the tape. Go never frees a cycle that has a finalizer in it, so the machine, the
// graph and all the memory that the ops use would stay for good.
func (t *Tape) NewMachine() gorgonia.VM {
	m := gorgonia.NewTapeMachine(t.Graph)
	runtime.SetFinalizer(m, nil) // which would only free memory of CUDA
	return m
}
