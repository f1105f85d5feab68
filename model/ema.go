package model

import (
	"fmt"
	"strings"

	"fasternet/checkpoints"
	"fasternet/formats/torch"
)

// UsedKey is the key in the metadata of an export that says which weights of a run it has: plain or ema.
const UsedKey = "weights"

// HasAverage reports whether a checkpoint has averaged weights besides the weights of the last step. A
// run that has them reports their accuracy.
func HasAverage(f *checkpoints.File) bool {
	for _, t := range f.Tensors {
		if strings.HasPrefix(t.Name, checkpoints.EMAPrefix) {
			return true
		}
	}
	return false
}

// choose reports whether to take the averaged weights of a file.
func choose(f *checkpoints.File, c torch.Choice, r Remedies) (bool, error) {
	if _, err := torch.ParseChoice(string(c)); err != nil {
		return false, fmt.Errorf("choose the weights: %w", err)
	}
	both, only := HasAverage(f), f.Meta[UsedKey] == string(torch.EMA)
	switch {
	case c == torch.EMA && !both && !only:
		return false, fmt.Errorf("it has %w%s: only a run with ema.decay has them",
			torch.ErrNoEMA, option(" (", r.Weights, " ema)"))
	case c == torch.Plain && only:
		return false, fmt.Errorf("it was made from averaged weights and has no others%s",
			option(" (", r.Weights, " plain)"))
	}
	return only || both && c != torch.Plain, nil
}

// averaged returns a checkpoint whose last weights are replaced by their averages. An average covers all
// tensors except the counters.
func averaged(f *checkpoints.File) (*checkpoints.File, error) {
	out := &checkpoints.File{Meta: f.Meta}
	for _, t := range f.Tensors {
		if strings.HasPrefix(t.Name, checkpoints.OptimizerPrefix) || strings.HasPrefix(t.Name, checkpoints.EMAPrefix) {
			continue
		}
		if t.I64 == nil {
			a, ok := f.Lookup(checkpoints.EMAPrefix + t.Name)
			if !ok {
				return nil, fmt.Errorf("its averaged weights are incomplete: tensor %s%s is missing",
					checkpoints.EMAPrefix, t.Name)
			}
			a.Name = t.Name
			t = a
		}
		out.Tensors = append(out.Tensors, t)
	}
	return out, nil
}
