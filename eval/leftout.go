package eval

import (
	"fasternet/configs"
	"fasternet/data"
)

// DescribeLeftOut says for each part of a data set in one line what its opener has
// left out and why, if there is something. A part that is nil is passed over.
func DescribeLeftOut(d configs.Data, train, val data.Dataset) (lines []string) {
	of := func(part string, ds data.Dataset) {
		if ds == nil {
			return
		}
		if text := data.DescribeLeftOut(data.LeftOutOf(ds)); text != "" {
			lines = append(lines, part+": "+text)
		}
	}
	if d.ValFraction > 0 { // both parts are made of one
		if train == nil {
			train = val
		}
		of("data set", train)
		return lines
	}
	of("training part", train)
	of("validation part", val)
	return lines
}
