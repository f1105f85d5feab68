package data

import "fasternet/data/picture"

// Dataset is a numbered list of labelled images. All methods are safe for
// concurrent use.
type Dataset interface {
	// Len returns the number of samples.
	Len() int

	// Classes lists the class names; a label is an index into it.
	Classes() []string

	// Label returns the class index of sample i, or -1 if samples may have any number of
	// labels (see [MultiLabelled]). It does not decode the image.
	Label(i int) int

	// Image decodes sample i. The image may be shared with the dataset and must
	// not be changed. An error names the file or sample.
	Image(i int) (*picture.Image, error)

	// Name returns what messages call sample i: its file, or file and index.
	Name(i int) string
}

// Split names a part of a dataset.
type Split string

// The splits.
const (
	Train Split = "train"
	Val   Split = "val"
	Test  Split = "test"
)
