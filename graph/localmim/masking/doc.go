// Package masking makes what a LocalMIM (Wang et al., "Masked Image Modeling with Local
// Multi-Scale Reconstruction", CVPR 2023) is trained on: which units of an image are masked,
// and what its local decoders have to reconstruct. It brings the network of package localmim
// and the loader of package data together.
//
//   - A [Target] is what is reconstructed at each scale: [HOG], histograms of
//     oriented gradients, or [Pixels]. Both are made of the image that the network
//     sees, augmented and normalised.
//   - A [Task] is a [data.Extra]: the workers of a loader make a [Batch] with it for every
//     batch of images, ahead of the training step. [Masked] is such a batch as a program of
//     package localmim takes it.
//
// # Scales
//
// The cells of a scale have the size that configs.MIMScale says. A cell counts in the loss by
// its weight: the share of it that is masked, which is a fraction where a cell is larger than
// a unit. Targets and weights are in raster order.
//
// # Randomness
//
// A mask depends on the seed, the epoch, and the index of the sample; or the step,
// where a batch has one mask (Swin as published). The constants that HOG may add to
// its gradients are part of the weights.
package masking
