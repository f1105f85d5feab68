package ops

import (
	"fmt"

	"gorgonia.org/gorgonia"
)

// machine runs the ops of a tape one after the other, in the order in which they were recorded, on the
// goroutine that calls it. Gorgonia's tape machine uses another goroutine, and the caller waits for it
// with its thread locked. That costs some 0.05 ms for each run, while inference of one image takes 2 ms.
// It also sets a finalizer on itself, and is part of a cycle that Go then never frees.
type machine struct{ tape *Tape }

// NewMachine makes the machine for [Tape.Run]. Call Plan first.
func (t *Tape) NewMachine() gorgonia.VM { return &machine{t} }

// RunAll runs all ops.
func (m *machine) RunAll() error {
	for _, o := range m.tape.ops {
		for i, n := range o.Inputs {
			if made, ok := n.Op().(*op); ok {
				o.values[i] = made.value
			} else if o.values[i] = n.Value(); o.values[i] == nil {
				return fmt.Errorf("%v: its input %v has no value: bind one before the run", o, n)
			}
		}
		if _, err := o.Do(o.values...); err != nil {
			return err
		}
	}
	return nil
}

// Reset implements gorgonia.VM: a run leaves nothing to reset.
func (m *machine) Reset() {}

// Close implements gorgonia.VM.
func (m *machine) Close() error { return nil }
