// Package train trains classifiers and pre-trains encoders. It has the training loop, distillation, freezing,
// evaluation during the run, the search for a learning rate, and the folder of a run with its logs and
// checkpoints. Package fasternet/optim has optimizers, schedules and averaged weights.
//
// A run is a function of its configuration. Every random draw depends on the seed and its position. So a run
// that was killed and resumed ends with the same weights, bit for bit, as an uninterrupted one.
package train
