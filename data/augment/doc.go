// Package augment changes images at random, as training wants it: the operations of
// RandAugment (policies: package fasternet/data/policy), colour jitter, the boxes of random
// crops, and random erasing. The operations give the same bytes as Pillow.
//
// All draws come from the generator that the caller gives.
package augment
