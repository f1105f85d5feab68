package checkpoints

// Prefixes of tensors in a checkpoint that do not belong to the model.
const (
	// OptimizerPrefix begins the names of the optimizer's state.
	OptimizerPrefix = "optimizer."
	// GradientPrefix begins the names of the gradients of the last step. A checkpoint has them only if a
	// histogram of them is still to be drawn.
	GradientPrefix = OptimizerPrefix + "gradient."
	// EMAPrefix begins the names of averaged weights, an exponential moving average over
	// the steps of training.
	EMAPrefix = "ema."
)
