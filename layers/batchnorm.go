package layers

import "fasternet/ops"

// NewBatchNorm makes a batch norm over c channels with PyTorch's defaults: ε = 1e-5, momentum 0.1,
// weight 1, bias 0. The prefix is the name of the layer, e.g. "patch_embed.norm".
func NewBatchNorm(s *Store, prefix string, c int) *ops.BatchNorm {
	n := &ops.BatchNorm{
		Weight:      s.Param(prefix+".weight", Constant(1), c),
		Bias:        s.Param(prefix+".bias", Constant(0), c),
		RunningMean: s.Buffer(prefix+".running_mean", 0, c),
		RunningVar:  s.Buffer(prefix+".running_var", 1, c),
		Tracked:     s.Counter(prefix + ".num_batches_tracked"),
		Eps:         1e-5, Momentum: 0.1,
	}
	s.Norms = append(s.Norms, n)
	return n
}
