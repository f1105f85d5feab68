// Package tensorboard writes event files that TensorBoard reads: scalars,
// pictures and histograms over steps.
//
// An event file is a row of records, each with its length and two checksums
// (the TFRecord format), and each holding one message Event of Protocol Buffers.
// What a crash has cut off is the last record alone; TensorBoard reads what is
// before it.
package tensorboard
