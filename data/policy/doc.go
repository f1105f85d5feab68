// Package policy reads the strings that configurations of timm name a RandAugment
// with, such as rand-m9-mstd0.5-inc1.
//
// It knows the grammar and the values alone; package fasternet/data has the images.
package policy
