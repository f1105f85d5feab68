package classes

import (
	"cmp"
	"math"
	"strconv"
)

// Guess is a class that an image may show.
type Guess struct {
	Index int
	Label string
	Prob  float64 // softmax, or the logistic function if an image may have several classes; NaN if a logit is
}

// AppendTop appends the k most probable classes, or as many as there are, the most probable
// first. Of equal ones the first comes first; a NaN comes last. Outputs without a name are left
// out: a model may have more outputs than classes. If no output has a name, all are called by
// their numbers. The probabilities are the softmax over all outputs.
func AppendTop(guesses []Guess, logits []float32, k int, names []string) []Guess {
	top, sum := math.Inf(-1), 0.0
	for _, v := range logits {
		top = max(top, float64(v))
	}
	for _, v := range logits {
		sum += math.Exp(float64(v) - top)
	}
	all := Named(len(logits), names) == 0
	first := len(guesses)
	for c, v := range logits {
		if !all && (c >= len(names) || names[c] == "") {
			continue
		}
		at := len(guesses)
		for at > first && cmp.Compare(logits[guesses[at-1].Index], v) < 0 {
			at--
		}
		switch {
		case at-first >= k:
			continue
		case len(guesses)-first < k:
			guesses = append(guesses, Guess{})
		}
		copy(guesses[at+1:], guesses[at:])
		guesses[at] = Guess{Index: c}
	}
	for i := first; i < len(guesses); i++ {
		g := &guesses[i]
		g.Label, g.Prob = Name(names, g.Index), math.Exp(float64(logits[g.Index])-top)/sum
	}
	return guesses
}

// Named returns how many of the outputs of a model have a name.
func Named(outputs int, names []string) (n int) {
	for _, name := range names[:min(outputs, len(names))] {
		if name != "" {
			n++
		}
	}
	return n
}

// Name returns the name of a class, or its number if it has no name.
func Name(names []string, class int) string {
	if class >= 0 && class < len(names) && names[class] != "" {
		return names[class]
	}
	return strconv.Itoa(class)
}
