// Package serve serves models over HTTP: images in, classes, logits and features out.
//
// There are two interfaces. One is for curl and browsers: a file, a form, or JSON at /classify,
// /logits and /features. The other is version 2 of the Open Inference Protocol under /v2, for the
// clients of KServe and Triton, with its extensions for binary tensors and for classification. A
// small page at / takes images by drag and drop; /metrics is for Prometheus.
//
// There are limits on what clients can take from the process: bytes of bodies in memory, waiting
// images, pixels, and time. Beyond them the answer is 503 with Retry-After. If the file of a model
// changes, the server loads it again. The new model replaces the old one when it has been read
// completely and computes; requests in progress finish with the old one.
package serve
