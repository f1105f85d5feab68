package eval

import "fasternet/configs"

// ShuffleNote warns that the validation images may have changed since a run of an older
// version; it is "" for other runs. Resuming such a run fails if they have.
func ShuffleNote(d configs.Data) string {
	if d.ValFraction == 0 || d.ValSplit != configs.ShuffleSplit {
		return ""
	}
	return "data.val_split is shuffle, the rule of older versions: " +
		"the run held out these same images only if no file was added or removed since"
}
