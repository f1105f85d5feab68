package model

import (
	"fmt"
	"strings"

	"fasternet/checkpoints"
	"fasternet/weights"
)

// averaged is a checkpoint with the averaged weights in the place of the last
// ones. An average covers all tensors but the counters.
func averaged(f *checkpoints.File) (*checkpoints.File, error) {
	out := &checkpoints.File{Meta: f.Meta}
	for _, t := range f.Tensors {
		if strings.HasPrefix(t.Name, checkpoints.OptimizerPrefix) || strings.HasPrefix(t.Name, checkpoints.EMAPrefix) {
			continue
		}
		if t.I64 == nil {
			a, ok := f.Lookup(checkpoints.EMAPrefix + t.Name)
			if !ok {
				return nil, fmt.Errorf("%w (--ema): it has no tensor %s%s; only a run with EMA has them", weights.ErrNoEMA, checkpoints.EMAPrefix, t.Name)
			}
			a.Name = t.Name
			t = a
		}
		out.Tensors = append(out.Tensors, t)
	}
	return out, nil
}
