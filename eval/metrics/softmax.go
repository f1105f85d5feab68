package metrics

import "math"

// Rank returns the number of classes with a larger logit than the label; of equal logits, the
// first class counts as larger. A NaN is never right.
func Rank(row []float32, label int) int {
	own, rank := row[label], 0
	for c, v := range row {
		if !(v < own) && (v != own || c < label) {
			rank++
		}
	}
	return rank
}

// Answer returns the class of rank 0, or -1 if a NaN hides it.
func Answer(row []float32) int {
	best := 0
	for c, v := range row {
		if v != v {
			return -1
		}
		if v > row[best] {
			best = c
		}
	}
	return best
}

// softmax holds what the probabilities of a row need: class k has the probability
// exp(row[k]-top)/sum.
type softmax struct {
	top, sum float64
	squares  float64 // of the exponentials
}

func softmaxOf(row []float32) softmax {
	s := softmax{top: math.Inf(-1)}
	for _, v := range row {
		s.top = max(s.top, float64(v))
	}
	for _, v := range row {
		e := math.Exp(float64(v) - s.top)
		s.sum += e
		s.squares += e * e
	}
	return s
}

// finite reports whether there are probabilities: not if a logit is NaN or +Inf.
func (s softmax) finite() bool { return s.sum-s.sum == 0 && s.sum > 0 }

// nll returns -ln of the probability of a logit.
func (s softmax) nll(logit float32) float64 { return math.Log(s.sum) + s.top - float64(logit) }

// probability returns the probability of a logit.
func (s softmax) probability(logit float32) float64 { return math.Exp(float64(logit)-s.top) / s.sum }

// brier returns the sum of the squared errors of the probabilities; with two classes, half of it.
func (s softmax) brier(row []float32, label int) float64 {
	if len(row) == 2 {
		wrong := s.probability(row[1-label])
		return wrong * wrong
	}
	return s.squares/(s.sum*s.sum) - 2*s.probability(row[label]) + 1
}
