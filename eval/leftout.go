package eval

import (
	"fasternet/configs"
	"fasternet/data"
)

// PartLeftOut lists the files of a part of a data set that its opener has left out.
type PartLeftOut struct {
	Part  string // in words
	Files []data.LeftOut
}

// String says in one line how many files are left out, and why.
func (l PartLeftOut) String() string { return l.Part + ": " + data.DescribeLeftOut(l.Files) }

// LeftOut lists, for each part of a data set, the files that its opener has left out.
// It skips a part that is nil. With data.val_fraction, both parts come from the same
// files, which are listed once.
func LeftOut(d configs.Data, train, val data.Dataset) (parts []PartLeftOut) {
	of := func(part string, ds data.Dataset) {
		if ds == nil {
			return
		}
		if files := data.LeftOutOf(ds); len(files) > 0 {
			parts = append(parts, PartLeftOut{part, files})
		}
	}
	if d.HoldsOut() {
		if train == nil {
			train = val
		}
		of("data set", train)
		return parts
	}
	of("training part", train)
	of("validation part", val)
	return parts
}
