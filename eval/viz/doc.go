// Package viz draws what a model of masked images sees, what it has to predict and what it
// predicts, and where a classifier looks: as a page for a browser or as one picture.
package viz
