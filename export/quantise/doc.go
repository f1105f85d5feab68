// Package quantise converts a model to 8-bit integers. It measures the values within the folded model on
// some images, chooses the grids to round them to, rounds the weights, and corrects the effect on the
// means.
package quantise
