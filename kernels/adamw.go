package kernels

import "math"

// AdamWStep holds the numbers of one update of AdamW (Loshchilov and Hutter, 2019).
type AdamWStep struct {
	LR, WeightDecay   float64
	Beta1, Beta2, Eps float64
	Step              int     // 1 for the first update
	GradScale         float64 // factor on the gradient: clipping, accumulation
}

// AdamW updates the weights w and the moments m and v by the gradient g:
//
//	w ← w·(1 - lr·wd);  m ← β1·m + (1-β1)·g;  v ← β2·v + (1-β2)·g²
//	w ← w - lr/(1-β1^t) · m / (√v/√(1-β2^t) + ε)
func (k *Set) AdamW(w, g, m, v []float32, s AdamWStep) {
	if len(w) == 0 {
		return
	}
	const name = "AdamW"
	// The kernel has the betas in float32. Rounding a β near 1 changes 1-β, by 1.3 % for 0.999999, so
	// the corrections are computed from the rounded betas.
	t, beta1, beta2 := float64(s.Step), float32(s.Beta1), float32(s.Beta2)
	step := s.LR / (1 - math.Pow(float64(beta1), t))
	correct2 := 1 / math.Sqrt(1-math.Pow(float64(beta2), t))
	k.adamW(len(w), &w[0], columnsOf(name, g, len(w)), columnsOf(name, m, len(w)), columnsOf(name, v, len(w)),
		float32(s.GradScale), float32(1-s.LR*s.WeightDecay), beta1, beta2,
		float32(step), float32(correct2), float32(s.Eps))
}
