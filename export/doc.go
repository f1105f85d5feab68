// Package export writes a model as a file for use elsewhere: safetensors for
// Python and for this program, ONNX for runtimes. Batch norms and layer scale
// are folded, the state of training is left out, and the metadata says what an
// image must look like.
//
// [Write] verifies what it does: folded and original model are run on the same
// images, and so is the file, read back.
package export
