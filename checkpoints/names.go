package checkpoints

// What the names of tensors in a checkpoint begin with that are not the model's own.
const (
	// OptimizerPrefix begins the names of the optimizer's state.
	OptimizerPrefix = "optimizer."
	// GradientPrefix begins the names of the gradients of the last step. They are there
	// only where a histogram of them is still to be drawn.
	GradientPrefix = OptimizerPrefix + "gradient."
	// EMAPrefix begins the names of averaged weights, an exponential moving average over
	// the steps of training.
	EMAPrefix = "ema."
)
