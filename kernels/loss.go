package kernels

import "math"

// BinaryCrossEntropy returns the sum over all values of the cross entropy between the logistic
// functions of logits [B, K] and targets from 0 to 1. If threshold is above 0, targets above it
// count as 1, and others as 0. It writes the gradient by the logits, times scale, to grad, which
// must not be logits or targets.
func BinaryCrossEntropy(grad, logits, targets Matrix, threshold, scale float64) float64 {
	same("BinaryCrossEntropy", grad, logits, targets)
	var loss float64
	for r := range logits.Rows {
		g, x, t := grad.Row(r), logits.Row(r), targets.Row(r)
		for i, v := range x {
			want := float64(t[i])
			if threshold > 0 {
				want = 0
				if float64(t[i]) > threshold {
					want = 1
				}
			}
			z := float64(v)
			e := math.Exp(-math.Abs(z)) // at most 1
			loss += max(z, 0) - z*want + math.Log1p(e)
			p := 1 / (1 + e)
			if z < 0 {
				p = e / (1 + e)
			}
			g[i] = float32(scale * (p - want))
		}
	}
	return loss
}

// Divergence returns the sum over the rows of logits and teacher, both [B, K], of the Kullback-
// Leibler divergence Σ_k p·(log p - log q), where p is softmax(teacher/tau) and q is
// softmax(logits/tau). It adds the gradient by the logits, times scale, to grad.
func Divergence(grad, logits, teacher Matrix, tau, scale float64) float64 {
	same("Divergence", grad, logits, teacher)
	var loss float64
	for r := range logits.Rows {
		g, x, t := grad.Row(r), logits.Row(r), teacher.Row(r)
		logX, logT := logSumExp(x, tau), logSumExp(t, tau)
		for i, v := range x {
			q, p := float64(v)/tau-logX, float64(t[i])/tau-logT
			expP := math.Exp(p)
			loss += expP * (p - q)
			g[i] += float32(scale / tau * (math.Exp(q) - expP))
		}
	}
	return loss
}

// logSumExp returns log Σ exp(x/tau).
func logSumExp(x []float32, tau float64) float64 {
	top := math.Inf(-1)
	for _, v := range x {
		top = max(top, float64(v)/tau)
	}
	var sum float64
	for _, v := range x {
		sum += math.Exp(float64(v)/tau - top)
	}
	return top + math.Log(sum)
}
