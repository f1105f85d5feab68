package localmim

// SumLosses adds the losses of the images of the last run to sums, one after the other, so that the
// sums do not depend on the size of the batches: to sums[0] over all scales, and to sums[1+k] at
// scale k. weights are the weights of the scales in the run.
func (p *Program) SumLosses(sums []float64, weights [][]float32) {
	for i := range p.batch {
		for k, w := range weights {
			n := len(w) / p.batch
			loss := MaskedMean(p.CellLosses(k)[i*n:][:n], w[i*n:][:n])
			sums[0] += loss
			sums[1+k] += loss
		}
	}
}

// MaskedMean returns the loss of an image at a scale: the mean of the losses of its cells by their
// weights. A cell without weight is visible, and may have no prediction.
func MaskedMean(losses, weights []float32) float64 {
	sum, masked := 0.0, 0.0
	for c, w := range weights {
		if w > 0 {
			sum += float64(w) * float64(losses[c])
			masked += float64(w)
		}
	}
	return sum / masked
}
