package eval

import "fasternet/configs"

// ShuffleNote says of a run of before data.val_split that its validation images can be
// others now; "" of all others. Training refuses to go on where it can tell.
func ShuffleNote(d configs.Data) string {
	if d.ValFraction == 0 || d.ValSplit != configs.ShuffleSplit {
		return ""
	}
	return "data.val_split is shuffle, the rule of older versions: the validation images are those that the run held out only if no file has come or gone since"
}
