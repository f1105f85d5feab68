package cli

import (
	"fasternet/configs"
	"fasternet/data"
	"fasternet/eval"
	"fasternet/train"
)

// showLeftOut says in a line what lies among the images and is not one of them.
func showLeftOut(show *train.Display, left []data.LeftOut) {
	if text := data.DescribeLeftOut(left); text != "" {
		show.Line("note: %s", text)
	}
}

// showPartsLeftOut says it of the parts of a data set, and what else may not be meant.
func showPartsLeftOut(show *train.Display, d configs.Data, parts []dataPart) {
	for _, line := range describeLeftOut(d, parts) {
		show.Line("note: %s", line)
	}
}

func describeLeftOut(d configs.Data, parts []dataPart) []string {
	of := map[data.Split]data.Dataset{}
	for _, p := range parts {
		of[p.split] = p.Dataset
	}
	return eval.Notes(d, of[data.Train], of[data.Val])
}
