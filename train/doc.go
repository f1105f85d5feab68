// Package train trains classifiers and pre-trains encoders: the loop, distillation,
// freezing, evaluation during the run, the search for a learning rate, and the folder of
// a run with its logs and checkpoints. Optimizers, schedules and averaged weights are in
// package fasternet/optim.
//
// A run is a function of its configuration. Every random draw depends on the
// seed and its position, so that a run that was killed and resumed ends with the
// same weights, bit for bit, as one that was not.
package train
