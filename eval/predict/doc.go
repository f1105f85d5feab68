// Package predict runs models on images. It returns the most probable classes, logits, and
// features from within the network.
//
// [Open] lists the inputs: image files, folders of them, and arrays of preprocessed
// images. [Classify] and [Extract] run a model on them.
package predict
