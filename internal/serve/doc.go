// Package serve offers models over HTTP: images in, classes, logits and features out.
//
// There are two interfaces. One is for curl and browsers: a file, a form, or JSON at /classify,
// /logits and /features. The other is version 2 of the Open Inference Protocol under /v2, which
// the clients of KServe and Triton speak, with its extensions for binary tensors and for
// classification. A small page at / takes images that are dropped on it; /metrics is for
// Prometheus.
//
// What clients can take of the process has bounds: bytes of bodies in memory, images that wait,
// pixels, and time. Beyond them a request is refused with 503 and Retry-After. A model whose file
// changes is loaded again and takes the place of the old one when it has been read as a whole and
// computes; requests in progress finish with the old one.
package serve
