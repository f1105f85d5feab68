package eval

import (
	"fmt"
	"path/filepath"

	"fasternet/configs"
)

// HeldBy is a setting that decides which images are held out, with its value then
// and now.
type HeldBy struct {
	Key     string
	Was, Is any
}

// OtherHoldOut returns the first setting that makes one configuration hold out images that another
// trains on. It is nil if it holds out the same images, some of them, or none.
func OtherHoldOut(was, is configs.Data) *HeldBy {
	if !is.HoldsOut() {
		return nil
	}
	part := is.ValFraction > 0 && is.ValFraction < was.ValFraction
	sameOrder := is.ValSeed == was.ValSeed && is.ValSplit == was.ValSplit
	if part && sameOrder && is.ValSplit != configs.ShuffleSplit {
		return nil // it holds out some of the same images
	}
	for _, k := range []HeldBy{
		{"data.val_fraction", was.ValFraction, is.ValFraction},
		{"data.val_seed", was.ValSeed, is.ValSeed},
		{"data.val_split", was.ValSplit, is.ValSplit},
		{"data.folds", was.Folds, is.Folds},
		{"data.fold", was.Fold, is.Fold},
		{"data.fold_groups", was.FoldGroups, is.FoldGroups},
	} {
		if k.Was != k.Is {
			return &k
		}
	}
	return nil
}

// KnownNote warns if the weights were trained on images that are now used for validation:
// the same data set, with other images held out. Otherwise it is "". Both directories are
// relative to this folder.
func KnownNote(was, is configs.Data) string {
	k := OtherHoldOut(was, is)
	if k == nil || !sameFolder(was, is) {
		return ""
	}
	return fmt.Sprintf("these weights were trained on the same data set, with %s %v (here %v): "+
		"they have seen some of the validation images, so the accuracy looks too good; "+
		"--set %s=%v holds out the same images",
		k.Key, k.Was, k.Is, k.Key, k.Was)
}

// sameFolder reports whether both name the same training images.
func sameFolder(a, b configs.Data) bool {
	return a.Dir != "" && realPath(a.Dir) == realPath(b.Dir) && a.Name == b.Name && a.Train == b.Train
}

// realPath returns the absolute path of a folder, with symbolic links resolved if the folder exists.
func realPath(dir string) string {
	if path, err := filepath.EvalSymlinks(dir); err == nil {
		dir = path
	}
	if path, err := filepath.Abs(dir); err == nil {
		dir = path
	}
	return dir
}
