// Package sets reads datasets from files: [OpenImageFolder] and [OpenAnnotations] for image
// files, [OpenShards] for tar files in WebDataset form, [OpenPacked] for what [Pack] writes,
// [OpenCIFAR], [OpenFashionMNIST] and [OpenIDX] for files of those.
package sets
