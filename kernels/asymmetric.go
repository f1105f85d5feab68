package kernels

import "math"

// Asymmetric weighs the terms of a binary cross entropy by class and by target. The zero
// value is the plain cross entropy.
type Asymmetric struct {
	Weights            []float32 // of the positive targets of each class [K]; nil for 1
	GammaPos, GammaNeg float64   // focus on hard examples, for positive and negative targets
	Clip               float64   // subtracted from the probability of a negative target, down to 0
	Balance            float64   // weight of positive targets; negative ones have 1 - Balance; 0 for 1 each
	Threshold          float64   // if above 0, targets above it count as 1, and others as 0
}

// AsymmetricCrossEntropy returns the sum over all values of logits and targets, both [B, K], of
//
//	t·w·a·(1-p)^GammaPos·(-log p) + (1-t)·(1-a)·q^GammaNeg·(-log(1-q)),
//
// where p is the logistic function of the logit, q = max(p - Clip, 0), t the target, w the
// weight of the class and a the balance. With Clip it is the asymmetric loss (Ridnik et al.,
// "Asymmetric Loss For Multi-Label Classification", 2021). With equal exponents it is the focal
// loss (Lin et al., "Focal Loss for Dense Object Detection", 2017). Between 0 and 1 it is linear
// in the target. The function writes the gradient by the logits, times scale, to grad, which
// must not be logits or targets.
func AsymmetricCrossEntropy(grad, logits, targets Matrix, a Asymmetric, scale float64) float64 {
	same("AsymmetricCrossEntropy", grad, logits, targets)
	ofPos, ofNeg := 1.0, 1.0
	if a.Balance > 0 {
		ofPos, ofNeg = a.Balance, 1-a.Balance
	}
	var loss float64
	for r := range logits.Rows {
		g, x, t := grad.Row(r), logits.Row(r), targets.Row(r)
		for i, v := range x {
			want := float64(t[i])
			if a.Threshold > 0 {
				want = 0
				if float64(t[i]) > a.Threshold {
					want = 1
				}
			}
			pos, neg := want*ofPos, (1-want)*ofNeg
			if a.Weights != nil {
				pos *= float64(a.Weights[i])
			}
			var slope float64
			if pos != 0 {
				value, d := positive(float64(v), a.GammaPos)
				loss, slope = loss+pos*value, slope+pos*d
			}
			if neg != 0 {
				value, d := negative(float64(v), a.GammaNeg, a.Clip)
				loss, slope = loss+neg*value, slope+neg*d
			}
			if v != v {
				loss, slope = math.NaN(), math.NaN()
			}
			g[i] = float32(scale * slope)
		}
	}
	return loss
}

// logistic returns p = 1/(1+exp(-z)), 1-p, -log p and -log(1-p).
func logistic(z float64) (p, q, logP, logQ float64) {
	e := math.Exp(-math.Abs(z)) // at most 1
	p, q = 1/(1+e), e/(1+e)
	if z < 0 {
		p, q = q, p
	}
	log := math.Log1p(e)
	return p, q, max(-z, 0) + log, max(z, 0) + log
}

// positive returns (1-p)^gamma·(-log p) for the logit z, and its derivative.
func positive(z, gamma float64) (value, slope float64) {
	p, q, logP, _ := logistic(z)
	power := 1.0
	if gamma > 0 {
		power = math.Pow(q, gamma)
	}
	return power * logP, -power * (gamma*p*logP + q)
}

// negative returns q^gamma·(-log(1-q)), q = max(p-clip, 0), for the logit z, and its derivative.
func negative(z, gamma, clip float64) (value, slope float64) {
	p, rest, _, logRest := logistic(z)
	if clip == 0 {
		power := 1.0
		if gamma > 0 {
			power = math.Pow(p, gamma)
		}
		return power * logRest, power * (gamma*rest*logRest + p)
	}
	q := p - clip
	if q <= 0 {
		return 0, 0
	}
	logRest = -math.Log1p(-q)
	if gamma == 0 {
		return logRest, p * rest / (1 - q)
	}
	power := math.Pow(q, gamma)
	return power * logRest, (gamma*power/q*logRest + power/(1-q)) * p * rest
}
