package data

import "fasternet/data/picture"

// Decoder is for a dataset of image files to embed: it says how they are decoded, which
// [DecodeAs] sets.
type Decoder struct{ how picture.Decoding }

// DecodeAs sets how the files of a dataset are decoded, if it has some. Call it before
// anything else uses the dataset. On a view it is set for the whole dataset.
func DecodeAs(ds Dataset, how picture.Decoding) {
	if d, ok := undivided(ds).(interface{ DecodeAs(how picture.Decoding) }); ok {
		d.DecodeAs(how)
	}
}

// DecodeAs sets how the files are decoded.
func (d *Decoder) DecodeAs(how picture.Decoding) { d.how = how }

// Decoding is how the files are decoded.
func (d *Decoder) Decoding() picture.Decoding { return d.how }

// DecodingOf is how the files of a dataset are decoded.
func DecodingOf(ds Dataset) picture.Decoding {
	if d, ok := undivided(ds).(interface{ Decoding() picture.Decoding }); ok {
		return d.Decoding()
	}
	return picture.Decoding{}
}
