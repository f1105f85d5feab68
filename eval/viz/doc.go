// Package viz draws what a model of masked images sees, is asked for and
// predicts, and where a classifier looks: as a page for a browser or as one
// picture.
package viz
