package data

// Decoder is for a dataset of image files to embed: it says how they are decoded, which
// [DecodeAs] sets.
type Decoder struct{ how Decoding }

// DecodeAs sets how the files of a dataset are decoded, if it has some. Call it before
// anything else uses the dataset. On a view it is set for the whole dataset.
func DecodeAs(ds Dataset, how Decoding) {
	if d, ok := undivided(ds).(interface{ DecodeAs(how Decoding) }); ok {
		d.DecodeAs(how)
	}
}

// DecodeAs sets how the files are decoded.
func (d *Decoder) DecodeAs(how Decoding) { d.how = how }

// Decoding is how the files are decoded.
func (d *Decoder) Decoding() Decoding { return d.how }

// DecodingOf is how the files of a dataset are decoded.
func DecodingOf(ds Dataset) Decoding {
	if d, ok := undivided(ds).(interface{ Decoding() Decoding }); ok {
		return d.Decoding()
	}
	return Decoding{}
}
