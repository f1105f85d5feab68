// Package sets reads datasets from files: image folders, lists and tables, tar files in
// WebDataset form, packed files, CIFAR, IDX and Fashion-MNIST. [Open] opens the data set that a
// configuration names; [Register] adds a format.
package sets
