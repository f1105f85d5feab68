// Package checkpoints keeps tensors on disk so that a crash, a full disk or a
// torn file never costs more than the newest checkpoint.
//
// A checkpoint is one safetensors file: tensors under their names, text in its
// metadata, among it a checksum over everything. It is written to a temporary
// name, synced and renamed. A [Folder] holds the checkpoints of a run and finds
// the newest one that is whole.
package checkpoints
