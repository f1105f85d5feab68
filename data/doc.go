// Package data reads labelled image datasets and turns them into the batches
// that a vision backbone is trained and evaluated on.
//
// It has four layers, each usable by itself:
//
//   - A [Dataset] is a numbered list of labelled 8-bit images: [OpenImageFolder]
//     and [OpenAnnotations] for image files, [OpenShards] for tar files in
//     WebDataset form, [OpenPacked] for what [Pack] writes, [OpenCIFAR],
//     [OpenFashionMNIST] and [OpenIDX] for files of those.
//   - A [Transform] makes a normalised float32 tensor of one image:
//     [TrainTransform] with random crop and flip, RandAugment (see package
//     fasternet/data/policy) or colour jitter, and random erasing; [EvalTransform]
//     without randomness. Resampling and the operations of RandAugment give the same
//     bytes as Pillow, on which the published accuracies rest.
//   - [Mixup] blends the samples of a batch and their labels (mixup and CutMix), by
//     batch, pair or element.
//   - A [Loader] runs all of it in worker goroutines ahead of the training step,
//     and an [Extra] that makes more of each sample than a tensor and a label.
//
// Tensors are float32 in NHWC order: the channels of a pixel are neighbours.
//
// All randomness is a function of the position in the run: see package
// fasternet/rng. The batches of an epoch depend on the seed, the epoch and the
// options, and neither on the number of workers nor on whether the run was
// interrupted in between.
//
// A loader decodes of a JPEG file the part that the crop needs. Chroma is
// interpolated as in libjpeg-turbo; what differs is the rounding of the inverse
// transform: 0.05 levels on average from Pillow's pixels, 3 at most. Files that the fast
// decoder does not know (CMYK, RGB, rare sampling) go to the standard library. All other
// formats without loss have Pillow's pixels.
package data
