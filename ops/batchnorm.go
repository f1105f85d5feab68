package ops

import (
	"fmt"
	"math"

	"fasternet/kernels"
)

// BatchNorm holds the parameters and the running statistics of a batch norm
// over C channels (Ioffe and Szegedy, 2015).
type BatchNorm struct {
	Weight, Bias            *Param    // [C]
	RunningMean, RunningVar []float32 // [C]
	Tracked                 *int64    // number of batches seen
	Eps, Momentum           float64   // of the reference: 1e-5 and 0.1
}

// normState is a batch norm in one graph: y = scale·x + shift.
type normState struct {
	*BatchNorm             // nil for a norm that is folded: scale 1, shift 0
	mean, inv    []float64 // of the batch: mean and 1/√(variance + eps)
	mean32       []float32
	all          []float64 // sums, over the ranks if they are to be
	scale, shift []float32
	count        int

	// For the backward pass: dx = scale·dy + slope·x + level.
	slope, level []float32
	moments      []kernels.Moments // one a span
	sums, dots   [][]float32       // one a span
}

func newNormState(bn *BatchNorm, spans int, train bool) *normState {
	c := bn.Weight.Size()
	n := &normState{BatchNorm: bn, scale: make([]float32, c), shift: make([]float32, c)}
	if !train {
		return n
	}
	n.mean, n.inv, n.mean32 = make([]float64, c), make([]float64, c), make([]float32, c)
	n.all = make([]float64, 2*c+1)
	n.slope, n.level = make([]float32, c), make([]float32, c)
	for range spans {
		n.moments = append(n.moments, kernels.Moments{Mean: make([]float32, c), Dev: make([]float32, c)})
		n.sums = append(n.sums, make([]float32, c))
		n.dots = append(n.dots, make([]float32, c))
	}
	return n
}

// newFoldedNorm stands in for a batch norm that is part of the convolution
// before it.
func newFoldedNorm(c int) *normState {
	n := &normState{scale: make([]float32, c), shift: make([]float32, c)}
	for i := range n.scale {
		n.scale[i] = 1
	}
	return n
}

// checkFolded says what is wrong with a layer that has a bias in the place of
// its norm.
func checkFolded(t *Tape, norm *BatchNorm, bias *Param) error {
	switch {
	case (norm == nil) == (bias == nil):
		return fmt.Errorf("want a batch norm, or the bias of one that is folded")
	case bias != nil && t.Train:
		return fmt.Errorf("its batch norm is folded: it can be evaluated, not trained")
	}
	return nil
}

// running sets scale and shift from the running statistics.
func (n *normState) running() {
	if n.BatchNorm == nil {
		return
	}
	gamma, beta := n.Weight.Data(), n.Bias.Data()
	for c := range gamma {
		inv := 1 / math.Sqrt(float64(n.RunningVar[c])+n.Eps)
		n.set(c, float64(gamma[c]), float64(beta[c]), float64(n.RunningMean[c]), inv)
	}
}

func (n *normState) set(c int, gamma, beta, mean, inv float64) {
	n.scale[c] = float32(gamma * inv)
	n.shift[c] = float32(beta - mean*gamma*inv)
}

// batch sets scale and shift from the moments of the spans, and moves the
// running statistics: the variance that normalises is the biased one, the one
// that is tracked the unbiased.
func (n *normState) batch(with *Parallel) error {
	gamma, beta := n.Weight.Data(), n.Bias.Data()
	if with.Sum != nil {
		if err := n.sumMoments(with); err != nil {
			return err
		}
	}
	for c := range gamma {
		mean, variance, count := n.momentsOf(c, with)
		if count < 2 {
			return fmt.Errorf("batch norm over %d value a channel: use a larger batch or input size", count)
		}
		inv := 1 / math.Sqrt(variance+n.Eps)
		n.set(c, float64(gamma[c]), float64(beta[c]), mean, inv)
		n.mean[c], n.inv[c], n.mean32[c], n.count = mean, inv, float32(mean), count
		unbiased := variance * float64(count) / float64(count-1)
		n.RunningMean[c] += float32(n.Momentum * (mean - float64(n.RunningMean[c])))
		n.RunningVar[c] += float32(n.Momentum * (unbiased - float64(n.RunningVar[c])))
	}
	*n.Tracked++
	return nil
}

// sumMoments adds up over the ranks, of every channel, the distances to the running
// mean and their squares. The running mean is the same everywhere, and near: a large
// mean costs no digits.
func (n *normState) sumMoments(with *Parallel) error {
	c := len(n.mean)
	for i := range c {
		mean, variance, count := kernels.MergeMoments(n.moments, i)
		d := mean - float64(n.RunningMean[i])
		n.all[i], n.all[c+i], n.all[2*c] = float64(count)*d, float64(count)*(variance+d*d), float64(count)
	}
	return with.Sum(n.all)
}

// momentsOf are mean, biased variance and number of the values of a channel: of the
// graph's, or of those of all ranks where they have been summed.
func (n *normState) momentsOf(c int, with *Parallel) (mean, variance float64, count int) {
	if with.Sum == nil {
		return kernels.MergeMoments(n.moments, c)
	}
	channels := len(n.mean)
	total := n.all[2*channels]
	d := n.all[c] / total
	return float64(n.RunningMean[c]) + d, max(n.all[channels+c]/total-d*d, 0), int(total)
}

// clearSums prepares the sums of a span for AffineGrad or ColumnDots.
func (n *normState) clearSums(span int) (sum, dot []float32) {
	clear(n.sums[span])
	clear(n.dots[span])
	return n.sums[span], n.dots[span]
}

// gradients adds the gradients of weight and bias and sets the coefficients of
// the input's gradient, from the sums of the spans. Those of weight and bias are of the
// samples of the graph; that of the input needs the sums over all that were measured.
func (n *normState) gradients(with *Parallel) error {
	gamma, dgamma, dbeta := n.Weight.Data(), n.Weight.GradData(), n.Bias.GradData()
	channels := len(gamma)
	sums, dots := n.all[:channels], n.all[channels:2*channels]
	for c := range gamma {
		var sum, dot float64
		for i := range n.sums {
			sum += float64(n.sums[i][c])
			dot += float64(n.dots[i][c])
		}
		// The kernels measured the distance to the rounded mean.
		dot += sum * (float64(n.mean32[c]) - n.mean[c])
		dgamma[c] += float32(dot * n.inv[c])
		dbeta[c] += float32(sum)
		sums[c], dots[c] = sum, dot
	}
	if with.Sum != nil {
		if err := with.Sum(n.all[:2*channels]); err != nil {
			return err
		}
	}
	count := float64(n.count)
	for c := range gamma {
		sum, dot := sums[c], dots[c]
		a := float64(gamma[c]) * n.inv[c]
		slope := -a * n.inv[c] * n.inv[c] * dot / count
		n.slope[c] = float32(slope)
		n.level[c] = float32(-a*sum/count - slope*n.mean[c])
	}
	return nil
}
