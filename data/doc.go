// Package data reads labelled image datasets and turns them into the batches
// that a vision backbone is trained and evaluated on.
//
// It has three layers, each usable by itself:
//
//   - A [Dataset] is a numbered list of labelled 8-bit images. Package
//     fasternet/data/sets reads them from files of many formats. This package holds
//     samples out, takes subsets, relabels, verifies and measures.
//   - A [Transform] makes a normalised float32 tensor of one image:
//     [TrainTransform] with random crop and flip, RandAugment or colour jitter, and
//     random erasing (see package fasternet/data/augment); [EvalTransform] without
//     randomness.
//   - A [Loader] runs all of it in worker goroutines ahead of the training step. It
//     blends the samples of a batch and their labels by a [Mixup], and an [Extra] makes
//     more of each sample than a tensor and a label.
//
// Images come from package fasternet/data/picture, which decodes and resizes them as
// Pillow does.
//
// Tensors are float32 in NHWC order: the channels of a pixel are neighbours.
//
// All randomness is a function of the position in the run: see package
// fasternet/internal/rng. The batches of an epoch depend on the seed, the epoch and the
// options. They depend neither on the number of workers nor on whether the run was
// interrupted.
package data
