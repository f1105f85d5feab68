// Package ops adds differentiable operations on feature maps to Gorgonia.
//
// A [Tape] records the operations of one Gorgonia graph in the order in which they run. Every operation
// computes with package kernels, in memory that the tape plans: nothing is allocated while a graph runs.
// Feature maps are NHWC, [batch, height, width, channels]. Weights have the shape and order of the
// official PyTorch checkpoints.
//
// The operations are coarse: a whole FasterNet block is one, and so is half of a transformer block.
// Their rows then stay in a core's cache from the first product to the residual sum.
package ops
