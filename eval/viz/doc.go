// Package viz draws what a model of masked images sees, its targets and its predictions, and
// where a classifier looks: as a page for a browser or as one picture.
package viz
