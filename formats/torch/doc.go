// Package torch reads weights that other programs write: PyTorch's .pth, .pt, .ckpt and .bin files,
// zipped or in the form before 1.6, and .safetensors, in any floating type.
//
// Pickle files are programs. This package executes nothing in them: a class or function that
// tensors do not need becomes an inert value, whatever is called on it. It checks sizes that a file
// claims against the size of the file before it allocates memory.
//
// The package knows names and shapes of tensors, but no models: package model decides which tensors
// a model takes.
package torch
