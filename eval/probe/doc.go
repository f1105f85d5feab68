// Package probe measures what the features of a frozen encoder are worth, with two
// classifiers that see nothing else: the weighted votes of the nearest training
// images ([KNN]), and a batch norm followed by a linear layer ([Linear]).
//
// A [Set] is the features and the labels of one part of a data set. [Extract] runs a
// model for them; [Dump] and [Load] keep them, since running the model is most of the
// work. No result depends on the number of threads.
package probe
