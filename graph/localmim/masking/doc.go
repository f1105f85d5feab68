// Package masking is the data side of LocalMIM (Wang et al., "Masked Image Modeling
// with Local Multi-Scale Reconstruction", CVPR 2023): which patches of an image an
// encoder sees, and what its local decoders have to reconstruct. It knows no
// graph.
//
//   - A [Target] is what is reconstructed at each scale: [HOG], histograms of
//     oriented gradients, or [Pixels]. Both are made of the image that the network
//     sees, augmented and normalised.
//   - [Masks] say what is removed: [Columnar] for encoders of one resolution (ViT),
//     random patches of every image; [Pyramid] for Swin, units that keep whole
//     through all stages.
//   - A [Task] puts them together as a [data.Extra]: the workers of a loader make a
//     [Batch] of it for every batch of images, ahead of the training step.
//
// Any image, patch, unit and scale will do whose sizes divide each other; the
// constructors say what does not, and why.
//
// # Scales
//
// With patches of p pixels, decoder k of a ViT at scale s reconstructs cells of p/s
// pixels: 4, 8, 16 and 32 for the scales 4, 2, 1 and 0.5 of patches of 16. The
// decoders of a Swin follow its stages: at the end of stage k a token covers
// p·2^(k+1) pixels, in the last stage as many as in the one before. So does a cell.
// A cell counts in the loss by its weight, the mask at its scale, which is a
// fraction where a cell is larger than what is masked.
//
// # Orders
//
// Targets and weights are in raster order. Batch.Keep lists the encoder's tokens in its
// own order: that of the random numbers for a ViT, for a Swin units in raster order and
// inside them tokens in raster order. Where they go in the decoders, and in the windows of
// a Swin, the network knows.
//
// # Randomness
//
// A mask depends on the seed, the epoch, and the index of the sample; or the step,
// where a batch has one mask (Swin as published). The constants that HOG may add to
// its gradients depend on the seed; a run must keep them with its weights.
package masking
