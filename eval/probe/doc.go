// Package probe measures how good the features of a frozen encoder are, with two
// classifiers that see only the features: the weighted votes of the nearest training
// images ([KNN]), and a batch norm followed by a linear layer ([Linear]).
//
// A [Set] has the features and the labels of one part of a data set. [Extract] runs a
// model to get them; [Dump] and [Load] keep them, since running the model is most of the
// work. Results do not depend on the number of threads.
package probe
