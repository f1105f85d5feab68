package model

import (
	"fmt"
	"strings"

	"fasternet/checkpoints"
	"fasternet/formats/torch"
)

// UsedKey says in the metadata of a model that was exported or converted which of the
// weights of a run it has: plain or ema.
const UsedKey = "weights"

// HasAverage says whether a checkpoint has averaged weights next to the weights of the last
// step. A run that has them reports their accuracy.
func HasAverage(f *checkpoints.File) bool {
	for _, t := range f.Tensors {
		if strings.HasPrefix(t.Name, checkpoints.EMAPrefix) {
			return true
		}
	}
	return false
}

// choose says whether the weights to take of a file are averaged ones.
func choose(f *checkpoints.File, c torch.Choice, r Remedies) (bool, error) {
	if _, err := torch.ParseChoice(string(c)); err != nil {
		return false, fmt.Errorf("which weights to take: %w", err)
	}
	both, only := HasAverage(f), f.Meta[UsedKey] == string(torch.EMA)
	switch {
	case c == torch.EMA && !both && !only:
		return false, fmt.Errorf("it has %w%s: only a run with ema.decay has them", torch.ErrNoEMA, option(" (", r.Weights, " ema)"))
	case c == torch.Plain && only:
		return false, fmt.Errorf("it was made of averaged weights, and has no others%s", option(" (", r.Weights, " plain)"))
	}
	return only || both && c != torch.Plain, nil
}

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
				return nil, fmt.Errorf("its averaged weights are incomplete: there is no tensor %s%s", checkpoints.EMAPrefix, t.Name)
			}
			a.Name = t.Name
			t = a
		}
		out.Tensors = append(out.Tensors, t)
	}
	return out, nil
}
