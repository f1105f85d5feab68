package kernels

import "math"

// Focal weighs the classes and samples of a softmax cross entropy. The zero value is the plain
// cross entropy.
type Focal struct {
	Weights    []float32 // of the classes [K]; nil for 1 each
	Gamma      float64   // exponent of 1 - p: certain predictions count less (Lin et al., 2017)
	Adjustment []float32 // added to the logits [K] (Menon et al., 2021); nil for none
}

// FocalCrossEntropy returns the sum over the rows of logits and targets, both [B, K], of
// Σ_k w_k·t_k·(1-p_k)^gamma·(-log p_k), where p is the softmax of the adjusted logits and t the
// targets, which may be soft. It writes the gradient by the logits, times scale, to grad, which
// must not be logits or targets.
func FocalCrossEntropy(grad, logits, targets Matrix, f Focal, scale float64) float64 {
	same("FocalCrossEntropy", grad, logits, targets)
	var loss float64
	z := make([]float64, logits.Cols)
	for r := range logits.Rows {
		g, x, t := grad.Row(r), logits.Row(r), targets.Row(r)
		top := math.Inf(-1)
		for i, v := range x {
			z[i] = float64(v)
			if f.Adjustment != nil {
				z[i] += float64(f.Adjustment[i])
			}
			top = max(top, z[i])
		}
		var sum float64
		for _, v := range z {
			sum += math.Exp(v - top)
		}
		norm := top + math.Log(sum)
		// With l = log p the loss is Σ f(l_k), and its gradient f'(l_k) - p_k·Σ f'(l_j).
		var slopes float64
		for i := range z {
			z[i] -= norm
			w := float64(t[i])
			if f.Weights != nil {
				w *= float64(f.Weights[i])
			}
			value, slope := focal(z[i], f.Gamma)
			loss += w * value
			slopes += w * slope
		}
		for i, l := range z {
			w := float64(t[i])
			if f.Weights != nil {
				w *= float64(f.Weights[i])
			}
			_, slope := focal(l, f.Gamma)
			g[i] = float32(scale * (w*slope - math.Exp(l)*slopes))
		}
	}
	return loss
}

// focal returns -(1-p)^gamma·l for l = log p, and its derivative by l.
func focal(l, gamma float64) (value, slope float64) {
	if gamma == 0 {
		return -l, -1
	}
	q := -math.Expm1(l)
	if q == 0 {
		return 0, 0
	}
	power := math.Pow(q, gamma)
	return -power * l, power * (gamma*math.Exp(l)*l/q - 1)
}
