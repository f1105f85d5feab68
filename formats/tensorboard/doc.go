// Package tensorboard writes event files that TensorBoard reads: scalars, pictures and histograms
// over steps.
//
// An event file is a row of records (the TFRecord format). Each has its length, two checksums, and
// one message Event of Protocol Buffers. A crash cuts off only the last record; TensorBoard reads
// the records before it.
package tensorboard
