// Package onnx reads and writes the part of the ONNX file format that image classifiers need: a
// graph of nodes of the default domain with attributes of numbers, float32 and int64 tensors, and
// metadata.
//
// Writing a model always gives the same bytes. Reading expects files from anywhere: it checks
// sizes before it allocates memory, errors name the field, and [Model.Unknown] lists what the
// package does not know.
//
// The format is Protocol Buffers; field numbers follow onnx.proto, IR version 8.
package onnx
