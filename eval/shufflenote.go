package eval

import "fasternet/configs"

// ShuffleNote warns that the validation images of a run of an older version may have
// changed; it is "" for other runs. A resumed training is refused if they have.
func ShuffleNote(d configs.Data) string {
	if d.ValFraction == 0 || d.ValSplit != configs.ShuffleSplit {
		return ""
	}
	return "data.val_split is shuffle, the rule of older versions: the run held out these same images only if no file was added or removed since"
}
