// Package checkpoints keeps tensors on disk so that a crash, a full disk or a
// torn file never costs more than the newest checkpoint.
//
// A checkpoint is one safetensors file: named tensors, and metadata as text with a checksum over
// everything. It is written under a temporary name, synced and renamed. A [Folder] holds the
// checkpoints of a run and finds the newest undamaged one.
package checkpoints
