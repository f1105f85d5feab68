// Package masking makes the training data of a LocalMIM (Wang et al., "Masked Image Modeling with
// Local Multi-Scale Reconstruction", CVPR 2023): which units of an image are masked, and what its
// local decoders must reconstruct. It connects the network of package localmim with the loader of
// package data.
//
//   - A [Target] is what is reconstructed at each scale: [HOG], histograms of oriented gradients,
//     or [Pixels]. Both are computed from the image that the network sees, augmented and
//     normalised.
//   - A [Task] is a [data.Extra]: with it the workers of a loader make a [Batch] for every batch of
//     images, ahead of the training step. [Masked] converts such a batch for a program of package
//     localmim.
//
// # Scales
//
// configs.MIMScale gives the size of the cells of a scale. A cell counts in the loss by its weight:
// the share of it that is masked, which is a fraction if a cell is larger than a unit. Targets and
// weights are in raster order.
//
// # Randomness
//
// A mask depends on the seed, the epoch, and the index of the sample, or of the step if a batch has
// one mask (Swin as published). The constants that HOG may add to its gradients are part of the
// weights.
package masking
