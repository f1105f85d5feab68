// Package quantise makes a model compute in 8-bit integers. It measures the values within the
// folded model on some images, chooses the grids that they are rounded to, rounds the weights, and
// corrects what that changes on the mean.
package quantise
