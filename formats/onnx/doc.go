// Package onnx reads and writes the part of the ONNX file format that image
// classifiers need: a graph of nodes of the default domain with attributes of
// numbers, float32 and int64 tensors, and metadata.
//
// The bytes of a model are always the same. Reading is made for files that
// come from anywhere: sizes are checked before memory is taken, errors name the
// field, and what the package does not know is listed in [Model.Unknown] rather
// than dropped in silence.
//
// The format is Protocol Buffers; field numbers follow onnx.proto, IR
// version 8.
package onnx
