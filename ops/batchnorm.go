package ops

import (
	"fmt"
	"math"

	"fasternet/kernels"
)

// BatchNorm holds the parameters and the running statistics of a batch norm over C channels (Ioffe
// and Szegedy, 2015).
type BatchNorm struct {
	Weight, Bias            *Param    // [C]
	RunningMean, RunningVar []float32 // [C]
	Tracked                 *int64    // number of batches seen
	Eps, Momentum           float64   // PyTorch's defaults: 1e-5 and 0.1
}

// normState is a batch norm in one graph: y = scale·x + shift.
type normState struct {
	*BatchNorm             // nil for a folded norm: scale 1, shift 0
	mean, inv    []float64 // of the batch: mean and 1/√(variance + eps)
	mean32       []float32
	all          []float64 // sums, for adding over the ranks
	scale, shift []float32
	count        int

	// For the backward pass: dx = scale·dy + slope·x + level.
	slope, level []float32
	moments      []kernels.Moments // for each span
	sums, dots   [][]float32       // for each span

	pool  *kernels.Pool
	tasks struct{ merge, measure, add, divide func(worker, part int) }
}

// newNormState takes a pool for steps that are slow with many channels and spans.
func newNormState(pool *kernels.Pool, bn *BatchNorm, spans int, train bool) *normState {
	c := bn.Weight.Size()
	n := &normState{BatchNorm: bn, pool: pool, scale: make([]float32, c), shift: make([]float32, c)}
	if !train {
		return n
	}
	n.mean, n.inv, n.mean32 = make([]float64, c), make([]float64, c), make([]float32, c)
	n.all = make([]float64, 2*c+1)
	n.tasks.merge, n.tasks.measure, n.tasks.add, n.tasks.divide = n.mergePart, n.measurePart, n.addPart, n.dividePart
	n.slope, n.level = make([]float32, c), make([]float32, c)
	for range spans {
		n.moments = append(n.moments, kernels.Moments{Mean: make([]float32, c), Dev: make([]float32, c)})
		n.sums = append(n.sums, make([]float32, c))
		n.dots = append(n.dots, make([]float32, c))
	}
	return n
}

// newFoldedNorm returns the state for a batch norm that is part of the convolution before it.
func newFoldedNorm(c int) *normState {
	n := &normState{scale: make([]float32, c), shift: make([]float32, c)}
	for i := range n.scale {
		n.scale[i] = 1
	}
	return n
}

// checkFolded returns what is wrong with a layer that has a bias instead of its norm.
func checkFolded(t *Tape, norm *BatchNorm, bias *Param) error {
	switch {
	case (norm == nil) == (bias == nil):
		return fmt.Errorf("want a batch norm, or the bias of a folded one")
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

// channelsOfPart is the number of channels of a task: two cache lines of float32.
const channelsOfPart = 32

// each runs a task for every part of the channels: in parallel if it goes over the spans.
func (n *normState) each(overSpans bool, task func(worker, part int)) {
	const little = 4096 // values; computing with them takes about as long as starting a region
	c := len(n.mean)
	parts := (c + channelsOfPart - 1) / channelsOfPart
	if overSpans && c*len(n.moments) > little {
		n.pool.Run(parts, task)
		return
	}
	for i := range parts {
		task(0, i)
	}
}

// channels returns the channels of a part.
func (n *normState) channels(part int) (from, to int) {
	return part * channelsOfPart, min(len(n.mean), (part+1)*channelsOfPart)
}

// batch sets scale and shift from the moments of the spans, and updates the running statistics. It
// normalises by the biased variance and tracks the unbiased one, as PyTorch does.
func (n *normState) batch(with *Parallel) error {
	n.count = 0
	for _, m := range n.moments {
		n.count += m.Count
	}
	if with.Sum != nil {
		n.each(true, n.tasks.measure)
		n.all[2*len(n.mean)] = float64(n.count)
		if err := with.Sum(n.all); err != nil {
			return err
		}
		n.count = int(n.all[2*len(n.mean)])
	}
	if n.count < 2 {
		return fmt.Errorf("batch norm over %d value a channel: use a larger batch or input size", n.count)
	}
	if with.Sum != nil {
		n.each(false, n.tasks.divide)
	} else {
		n.each(true, n.tasks.merge)
	}
	*n.Tracked++
	return nil
}

// mergePart computes the statistics of some channels from the moments of the spans.
func (n *normState) mergePart(_, part int) {
	var memory [2 * channelsOfPart]float64
	from, to := n.channels(part)
	mean, variance := memory[:to-from], memory[channelsOfPart:][:to-from]
	kernels.MergeMoments(n.moments, from, mean, variance)
	for i := range mean {
		n.normalise(from+i, mean[i], variance[i])
	}
}

// measurePart writes, for some channels, the distances to the running mean and their squares, to be
// added up over the ranks. The running mean is the same on all ranks, and close to the mean, so a large
// mean costs no digits.
func (n *normState) measurePart(_, part int) {
	var memory [2 * channelsOfPart]float64
	from, to := n.channels(part)
	mean, variance := memory[:to-from], memory[channelsOfPart:][:to-from]
	count := kernels.MergeMoments(n.moments, from, mean, variance)
	for i := range mean {
		d := mean[i] - float64(n.RunningMean[from+i])
		n.all[from+i], n.all[len(n.mean)+from+i] = float64(count)*d, float64(count)*(variance[i]+d*d)
	}
}

// dividePart computes the statistics of some channels from the sums over all ranks.
func (n *normState) dividePart(_, part int) {
	from, to := n.channels(part)
	channels := len(n.mean)
	total := n.all[2*channels]
	for c := from; c < to; c++ {
		d := n.all[c] / total
		n.normalise(c, float64(n.RunningMean[c])+d, max(n.all[channels+c]/total-d*d, 0))
	}
}

// normalise sets scale and shift from the mean and the biased variance of a channel.
func (n *normState) normalise(c int, mean, variance float64) {
	inv := 1 / math.Sqrt(variance+n.Eps)
	n.set(c, float64(n.Weight.Data()[c]), float64(n.Bias.Data()[c]), mean, inv)
	n.mean[c], n.inv[c], n.mean32[c] = mean, inv, float32(mean)
	unbiased := variance * float64(n.count) / float64(n.count-1)
	n.RunningMean[c] += float32(n.Momentum * (mean - float64(n.RunningMean[c])))
	n.RunningVar[c] += float32(n.Momentum * (unbiased - float64(n.RunningVar[c])))
}

// clearSums prepares the sums of a span for AffineGrad or ColumnDots.
func (n *normState) clearSums(span int) (sum, dot []float32) {
	clear(n.sums[span])
	clear(n.dots[span])
	return n.sums[span], n.dots[span]
}

// gradients adds the gradients of weight and bias, and sets the coefficients for the gradient of the
// input, from the sums of the spans. The gradients of weight and bias are for the samples of this
// graph; the gradient of the input needs the sums over all measured samples.
func (n *normState) gradients(with *Parallel) error {
	n.each(true, n.tasks.add)
	if with.Sum == nil {
		return nil
	}
	if err := with.Sum(n.all[:2*len(n.mean)]); err != nil {
		return err
	}
	for c := range n.mean {
		n.coefficients(c)
	}
	return nil
}

// addPart adds up some channels over the spans.
func (n *normState) addPart(_, part int) {
	from, to := n.channels(part)
	sums, dots := n.all[from:to], n.all[len(n.mean)+from:][:to-from]
	clear(sums)
	clear(dots)
	for i := range n.sums {
		s, d := n.sums[i][from:to], n.dots[i][from:to]
		for c := range sums {
			sums[c] += float64(s[c])
			dots[c] += float64(d[c])
		}
	}
	dgamma, dbeta := n.Weight.GradData(), n.Bias.GradData()
	for i := range sums {
		c := from + i
		// The kernels measured the distance to the rounded mean.
		dots[i] += sums[i] * (float64(n.mean32[c]) - n.mean[c])
		dgamma[c] += float32(dots[i] * n.inv[c])
		dbeta[c] += float32(sums[i])
		n.coefficients(c) // the sums of other ranks are not there yet: see gradients
	}
}

// coefficients sets the coefficients for the gradient of a channel, from the sums over all samples.
func (n *normState) coefficients(c int) {
	sum, dot, count := n.all[c], n.all[len(n.mean)+c], float64(n.count)
	a := float64(n.Weight.Data()[c]) * n.inv[c]
	slope := -a * n.inv[c] * n.inv[c] * dot / count
	n.slope[c] = float32(slope)
	n.level[c] = float32(-a*sum/count - slope*n.mean[c])
}
