// Package export writes a model to a file for other programs: safetensors for Python and for
// this program, ONNX for runtimes. It folds batch norms and layer scale, leaves out the state
// of training, and describes in the metadata how to prepare an image.
//
// [Write] verifies the result: it compares the logits of the original model, the folded model
// and the file, read back, on the same images.
package export
