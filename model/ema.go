package model

import (
	"fmt"

	"fasternet/checkpoints"
)

// EMAPrefix begins the names of averaged weights, an exponential moving average
// over the steps of training, in a checkpoint.
const EMAPrefix = "ema."

// UseEMA fills the model with the averaged weights of its checkpoint. Buffers
// that have no average keep their value.
func (l *Loaded) UseEMA() error {
	f := &checkpoints.File{Meta: l.File.Meta}
	for _, e := range l.Model.Store().Entries {
		t, ok := l.File.Lookup(EMAPrefix + e.Name)
		if !ok {
			if t, ok = l.File.Lookup(e.Name); !ok || e.Param != nil {
				return fmt.Errorf("%s: no averaged weights: it has no tensor %s%s; only a run with EMA has them", l.Path, EMAPrefix, e.Name)
			}
		}
		t.Name = e.Name
		f.Tensors = append(f.Tensors, t)
	}
	if err := Restore(l.Model.Store(), f); err != nil {
		return fmt.Errorf("%s: averaged weights: %w", l.Path, err)
	}
	return nil
}
