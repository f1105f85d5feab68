// Package predict asks models about images: the most probable classes of files,
// logits, and features from within the network.
//
// [Open] lists what is asked about: image files, folders of them, and arrays of
// preprocessed images. [Classify] and [Extract] run a model over it.
package predict
