// Package torch reads the weights that other programs write: PyTorch's .pth,
// .pt, .ckpt and .bin files, zipped or in the form before 1.6, and
// .safetensors, in any floating type.
//
// Pickle files are programs. Nothing in them is executed here: a class or
// function that is not needed for tensors becomes an inert value, whatever is
// called on it. Sizes that a file claims are checked against its own size before
// memory is allocated.
//
// The package knows names and shapes of tensors, and no models: package model decides
// which of them a model takes.
package torch
