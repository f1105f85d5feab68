package data

import "fasternet/data/picture"

// EncodedSet is a dataset whose samples are image files.
type EncodedSet interface {
	Dataset
	// Encoded returns the content of the file of sample i, in the memory of buf if
	// it is large enough. An error names the file. ok is false if the dataset holds
	// pixels, not files.
	Encoded(i int, buf []byte) (content []byte, ok bool, err error)
}

// PixelSet is a dataset of pixels that are not yet turned upright. It keeps the camera's
// orientation of each sample.
type PixelSet interface {
	Dataset
	// Decoded reports whether the samples are pixels. Otherwise they are image files.
	Decoded() bool
	// Stored makes m the pixels of sample i as they are in the file, in the memory of buf
	// if it is large enough, and returns that memory.
	Stored(i int, m *picture.Image, buf []byte) (picture.Orientation, []byte, error)
}

// wrapper is a dataset made of the samples of another one.
type wrapper interface {
	// unwrap returns the dataset and the index that sample i comes from.
	unwrap(i int) (Dataset, int)
	// source returns the dataset that all samples come from.
	source() Dataset
}

// origin returns the dataset that really holds sample i, and its index there.
func origin(ds Dataset, i int) (Dataset, int) {
	for {
		w, ok := ds.(wrapper)
		if !ok {
			return ds, i
		}
		ds, i = w.unwrap(i)
	}
}

// Encoded returns the image file of sample i, not decoded, in the memory of buf if it is
// large enough. ok is false for a dataset that holds pixels, not files.
func Encoded(ds Dataset, i int, buf []byte) (content []byte, ok bool, err error) {
	ds, i = origin(ds, i)
	e, ok := ds.(EncodedSet)
	if !ok {
		return nil, false, nil
	}
	return e.Encoded(i, buf)
}

// pixelSet returns the dataset that holds sample i as pixels, and its index there; nil if
// no dataset does.
func pixelSet(ds Dataset, i int) (PixelSet, int) {
	ds, i = origin(ds, i)
	if p, ok := ds.(PixelSet); ok && p.Decoded() {
		return p, i
	}
	return nil, 0
}

// StoredPixels returns sample i of a dataset of pixels as the dataset holds it, and the
// camera's orientation.
func StoredPixels(ds Dataset, i int) (*picture.Image, picture.Orientation, error) {
	if p, at := pixelSet(ds, i); p != nil {
		m := new(picture.Image)
		o, _, err := p.Stored(at, m, nil)
		return m, o, err
	}
	m, err := ds.Image(i)
	return m, 0, err
}
