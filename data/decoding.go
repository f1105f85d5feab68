package data

import "fasternet/data/picture"

// Decoder is embedded by datasets of image files. It keeps how to decode them; [DecodeAs]
// sets this.
type Decoder struct{ how picture.Decoding }

// DecodeAs sets how the files of a dataset are decoded, if it has files. Call it before
// anything else uses the dataset. On a view it sets this for the whole dataset.
func DecodeAs(ds Dataset, how picture.Decoding) {
	if d, ok := undivided(ds).(interface{ DecodeAs(how picture.Decoding) }); ok {
		d.DecodeAs(how)
	}
}

// DecodeAs sets how the files are decoded.
func (d *Decoder) DecodeAs(how picture.Decoding) { d.how = how }

// Decoding returns how the files are decoded.
func (d *Decoder) Decoding() picture.Decoding { return d.how }

// DecodingOf returns how the files of a dataset are decoded.
func DecodingOf(ds Dataset) picture.Decoding {
	if d, ok := undivided(ds).(interface{ Decoding() picture.Decoding }); ok {
		return d.Decoding()
	}
	return picture.Decoding{}
}
