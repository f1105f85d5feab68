package cli

import (
	"fasternet/configs"
	"fasternet/data"
	"fasternet/eval"
	"fasternet/train"
)

// showLeftOut lists in one line the files among the images that are not images.
func showLeftOut(show *train.Display, left []data.LeftOut) {
	if text := data.DescribeLeftOut(left); text != "" {
		show.Line("note: %s", text)
	}
}

// showPartsLeftOut does this for all parts of a data set, and adds other doubts.
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
