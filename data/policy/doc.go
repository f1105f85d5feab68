// Package policy reads the strings by which configurations of timm name a RandAugment, such as
// rand-m9-mstd0.5-inc1.
//
// It knows only the grammar and the values; package fasternet/data/augment changes the images.
package policy
