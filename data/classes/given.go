package classes

import (
	"cmp"
	"math"
	"slices"
)

// AppendGiven appends the classes that a model gives an image which may have any number of
// them: all whose probability is at least their threshold, the most probable first. The
// probabilities are the logistic functions of the logits. A class without a threshold has 0.5.
// Outputs without a name are left out, unless no output has a name.
func AppendGiven(guesses []Guess, logits []float32, thresholds []float64, names []string) []Guess {
	all := Named(len(logits), names) == 0
	first := len(guesses)
	for c, v := range logits {
		threshold := 0.5
		if c < len(thresholds) {
			threshold = thresholds[c]
		}
		p := 1 / (1 + math.Exp(-float64(v)))
		if p >= threshold && (all || c < len(names) && names[c] != "") {
			guesses = append(guesses, Guess{Index: c, Label: Name(names, c), Prob: p})
		}
	}
	slices.SortStableFunc(guesses[first:], func(a, b Guess) int { return cmp.Compare(b.Prob, a.Prob) })
	return guesses
}
