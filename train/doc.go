// Package train trains classifiers, and pre-trains encoders: the loop, the
// optimizers, the learning-rate schedules, averaged weights, distillation, what is
// frozen, and the folder of a run with its logs and checkpoints.
//
// A run is a function of its configuration. Every random draw depends on the
// seed and its position, so that a run that was killed and resumed ends with the
// same weights, bit for bit, as one that was not.
package train
