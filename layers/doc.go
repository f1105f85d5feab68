// Package layers holds the building blocks of backbones: their parameters,
// under the names of the official checkpoints, and how they enter a graph.
//
// A layer is made once for a model, with its parameters in a [Store]; its
// Forward adds it to any number of graphs, one for each batch size and
// resolution, for training and for evaluation.
package layers
