package metrics

import (
	"fmt"
	"math"
)

// McNemar is the test of McNemar (1947) for two models on the same images: could they be
// right equally often?
type McNemar struct {
	Both     int `json:"both"`     // images on which both are right
	OnlyA    int `json:"only_a"`   // b: only the first model is right
	OnlyB    int `json:"only_b"`   // c: only the second is
	Neither  int `json:"neither"`  // both are wrong
	Images   int `json:"images"`   // the sum of these
	Decisive int `json:"decisive"` // b + c
	// Test is "exact" (binomial, two-sided) if b + c is below 25, else "chi-square" with the
	// continuity correction of Edwards (1948).
	Test      string   `json:"test"`
	Statistic *float64 `json:"statistic,omitempty"` // chi-square: (|b−c|−1)²/(b+c), or 0 if b is c
	P         float64  `json:"p"`                   // probability of such a difference, or a larger one, by chance
}

// exactBelow is the smallest b + c for which the chi-square distribution is good enough.
const exactBelow = 25

// Add counts an image. a and b say whether each model is right.
func (m *McNemar) Add(a, b bool) {
	m.Images++
	switch {
	case a && b:
		m.Both++
	case a:
		m.OnlyA++
	case b:
		m.OnlyB++
	default:
		m.Neither++
	}
}

// Decide computes the test from the counts.
func (m *McNemar) Decide() error {
	if m.Images == 0 {
		return fmt.Errorf("there are no images to compare models on")
	}
	m.Decisive = m.OnlyA + m.OnlyB
	if m.Decisive < exactBelow {
		m.Test, m.P = "exact", binomialTwoSided(min(m.OnlyA, m.OnlyB), m.Decisive)
		return nil
	}
	m.Test = "chi-square"
	d := math.Max(math.Abs(float64(m.OnlyA-m.OnlyB))-1, 0)
	x := d * d / float64(m.Decisive)
	// The chi-square distribution with one degree of freedom is the square of a normal value.
	m.Statistic, m.P = &x, math.Erfc(math.Sqrt(x/2))
	return nil
}

// binomialTwoSided is twice the probability of k or fewer heads in n throws of a coin, at most 1.
func binomialTwoSided(k, n int) float64 {
	term := math.Pow(0.5, float64(n)) // the probability of 0 heads
	sum := 0.0
	for i := range k + 1 {
		sum += term
		term *= float64(n-i) / float64(i+1)
	}
	return math.Min(2*sum, 1)
}
