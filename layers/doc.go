// Package layers holds the building blocks of backbones: their parameters, under the names of the
// official checkpoints, and their forward pass.
//
// A layer is made once for a model, with its parameters in a [Store]. Its Forward adds it to any
// number of graphs, one for each batch size and resolution, for training and for evaluation.
package layers
