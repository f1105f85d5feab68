package layers

import (
	"math"

	"fasternet/ops"
)

// Folding: a batch norm in evaluation is y = s·x + t with fixed s and t for each channel, and so is
// layer scale. Both are linear, so they can become part of the convolution before them. The
// products are computed in float64 and rounded once.

// Fold fills dst, the same layer of a folded model.
func (l *PatchConv) Fold(dst *PatchConv) {
	foldNorm(dst.Weight, dst.Bias, l.Weight, l.Norm)
}

// Fold fills dst, the same block of a folded model.
func (b *Block) Fold(dst *Block) {
	foldNorm(dst.MLP.Conv1, dst.MLP.Bias, b.MLP.Conv1, b.MLP.Norm)
	copyParam(dst.PConv.Weight, b.PConv.Weight)
	if b.MLP.GRN != nil { // GRN is not linear, and stays
		copyParam(dst.MLP.GRN.Weight, b.MLP.GRN.Weight)
		copyParam(dst.MLP.GRN.Bias, b.MLP.GRN.Bias)
	}
	if b.LayerScale == nil {
		copyParam(dst.MLP.Conv2, b.MLP.Conv2)
		return
	}
	scaleOutputs(dst.MLP.Conv2, b.MLP.Conv2, func(c int) float64 { return float64(b.LayerScale.Data()[c]) })
}

// Fold fills dst, the head of a folded model. The head has no norm, and is copied.
func (h *Head) Fold(dst *Head) {
	copyParam(dst.PreHead, h.PreHead)
	copyParam(dst.Weight, h.Weight)
	copyParam(dst.Bias, h.Bias)
}

// foldNorm fills weight and bias of a convolution that equals conv followed by a norm.
func foldNorm(weight, bias, conv *ops.Param, n *ops.BatchNorm) {
	gamma, beta, out := n.Weight.Data(), n.Bias.Data(), bias.Data()
	scale := func(c int) float64 {
		return float64(gamma[c]) / math.Sqrt(float64(n.RunningVar[c])+n.Eps)
	}
	for c := range out {
		out[c] = float32(float64(beta[c]) - float64(n.RunningMean[c])*scale(c))
	}
	bias.Changed()
	scaleOutputs(weight, conv, scale)
}

// scaleOutputs fills dst with the weights src [out, …]; the weights of output c are multiplied by
// scale(c).
func scaleOutputs(dst, src *ops.Param, scale func(c int) float64) {
	outputs := src.Shape()[0]
	n := src.Size() / outputs
	for c := range outputs {
		s, to := scale(c), dst.Data()[c*n:]
		for i, v := range src.Data()[c*n : (c+1)*n] {
			to[i] = float32(s * float64(v))
		}
	}
	dst.Changed()
}

func copyParam(dst, src *ops.Param) {
	copy(dst.Data(), src.Data())
	dst.Changed()
}
