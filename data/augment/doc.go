// Package augment changes images at random for training: the operations of RandAugment
// (policies: package fasternet/data/policy), colour jitter, the boxes of random crops, and
// random erasing. The operations give the same bytes as Pillow.
//
// All draws come from the generator that the caller passes.
package augment
