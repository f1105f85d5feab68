// Package recipe tests the whole ImageNet recipe from end to end with the built program: the preset on a
// small tree of folders like the unpacked ImageNet, with its odd files; all features of training
// together, interrupted within an epoch and resumed to the bit; and every kind of data set from its
// files to an evaluation.
package recipe
