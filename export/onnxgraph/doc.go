// Package onnxgraph turns models into ONNX graphs, and checks that a graph that was read is one of its
// own.
//
// The input "input" is [batch, channels, height, width], NCHW as in ONNX, with a batch that is chosen at
// run time; the output "logits" is [batch, classes]. Initializers have the names of the official state
// dict of the folded model, and come first, in its order.
package onnxgraph
