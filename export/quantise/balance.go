package quantise

import (
	"math"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/ops"
)

// balanceImages is how many images are used to measure the ranges of channels.
const balanceImages = 64

// balance rescales the channels of the inputs of layers: it divides a channel by a factor, and multiplies
// the weights of the channel by it. In transformers, a few channels have ranges many times as large as the
// others (Dettmers et al., 2022), so that one grid fits badly; the weights can take a part of the range
// (Xiao et al., "SmoothQuant", 2023). The results stay the same except for rounding.
func balance(c *configs.Config, m graph.Int8Model, units []graph.Int8Unit, images Images) error {
	some := false
	for _, u := range units {
		some = some || len(u.Scales) > 0
	}
	if !some {
		return nil
	}
	images.Count = min(images.Count, balanceImages)
	values, err := measure(c, m, images)
	if err != nil {
		return err
	}
	for _, u := range units {
		if v := values[u.In()]; v != nil && len(u.Scales) > 0 {
			rescale(u, channelFactors(u.Weights[0], v))
		}
	}
	return nil
}

// channelFactors returns the factors of the channels of an input with the least error of the results. It
// estimates the error for several powers of the ranges.
func channelFactors(w *ops.Param, v *measured) []float64 {
	in := len(v.mean)
	out := w.Size() / in
	reach, column := make([]float64, in), make([]float64, in) // the largest magnitudes
	squares := make([]float64, in)                            // squares of the columns of weights
	for c := range in {
		reach[c] = max(-v.low[c], v.high[c], 0)
		for o := range out {
			x := math.Abs(float64(w.Data()[o*in+c]))
			column[c] = max(column[c], x)
			squares[c] += x * x
		}
	}
	best := make([]float64, in)
	for c := range best {
		best[c] = 1
	}
	least := estimate(w, v, squares, best)
	for power := 0.3; power < 0.95; power += 0.1 {
		factors := make([]float64, in)
		mean := 0.0 // mean of the logarithms
		for c := range factors {
			factors[c] = 1
			if reach[c] > 1e-12 && column[c] > 1e-12 { // otherwise the channel does not matter, or is constant
				factors[c] = math.Pow(reach[c], power) / math.Pow(column[c], 1-power)
			}
			mean += math.Log(factors[c]) / float64(in)
		}
		for c := range factors { // around 1, so that parameters keep their size
			factors[c] = min(max(factors[c]/math.Exp(mean), 1e-3), 1e3)
		}
		if e := estimate(w, v, squares, factors); e < least {
			best, least = factors, e
		}
	}
	return best
}

// estimate returns the mean squared error of the results, summed over them. The error comes from rounding
// the input to 256 steps of its range, and the weights of an output to 255 steps of their range. The unit is
// a twelfth of a squared step, the variance within a step.
func estimate(w *ops.Param, v *measured, squares, factors []float64) float64 {
	in := len(factors)
	low, high, ofInput, size := 0.0, 0.0, 0.0, 0.0
	for c, f := range factors {
		low, high = min(low, v.low[c]/f), max(high, v.high[c]/f)
		ofInput += squares[c] * f * f
		size += v.square[c] / (f * f)
	}
	step := (high - low) / 255
	ofWeights := 0.0
	for o := range w.Size() / in {
		most := 0.0
		for c, x := range w.Data()[o*in : (o+1)*in] {
			most = max(most, math.Abs(float64(x))*factors[c])
		}
		ofWeights += most / ops.MostInt8 * most / ops.MostInt8
	}
	return step*step*ofInput + ofWeights*size
}

// rescale divides the channels of an input by factors, and multiplies their weights by them.
func rescale(u graph.Int8Unit, factors []float64) {
	for _, s := range u.Scales {
		row := s.Param.Size() / s.Param.Shape()[0]
		for c, f := range factors {
			for i := range row {
				s.Param.Data()[(s.From+c)*row+i] /= float32(f)
			}
		}
		s.Param.Changed()
	}
	w := u.Weights[0]
	in := len(factors)
	for i := range w.Data() {
		w.Data()[i] *= float32(factors[i%in])
	}
	w.Changed()
}
