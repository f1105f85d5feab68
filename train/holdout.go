package train

import (
	"fmt"
	"path/filepath"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/model"
	"fasternet/weights"
)

// checkHoldOut returns an error if a resumed run would validate images that it was trained
// on, because other images are held out now than when the checkpoint was written.
func (t *trainer) checkHoldOut(f *checkpoints.File) error {
	was, _, err := model.Describe(f)
	if err != nil {
		return err
	}
	is := t.config.Data
	if err := sameHoldOut(was.Data, is); err != nil {
		return err
	}
	if is.ValFraction == 0 || is.ValSplit != configs.ShuffleSplit {
		return nil
	}
	launches, err := t.folder.Launches()
	if err != nil || len(launches) == 0 {
		return err
	}
	l := launches[len(launches)-1]
	if l.TrainImages != 0 && (l.TrainImages != t.train.Len() || l.ValImages != t.val.Len()) {
		return fmt.Errorf("the data set has changed: the run has %d training and %d validation images, now there are %d and %d; "+
			"data.val_split is shuffle, so other images are held out now, and the run was trained on some of them: restore the files, or start a new run",
			l.TrainImages, l.ValImages, t.train.Len(), t.val.Len())
	}
	return nil
}

// sameHoldOut returns an error unless both configurations hold out the same images.
func sameHoldOut(was, is configs.Data) error {
	if k := otherHoldOut(was, is); k != nil {
		return fmt.Errorf("%s is %v, in the run it is %v: images that it was trained on would be validated; --set %s=%v continues as before, --run DIR starts another run",
			k.key, k.is, k.was, k.key, k.was)
	}
	return nil
}

// heldBy is a setting that decides what is held out, with two values.
type heldBy struct {
	key     string
	was, is any
}

// otherHoldOut is the first setting that makes the configurations hold out different
// images; nil if they hold out the same images, or if the new one holds out none.
func otherHoldOut(was, is configs.Data) *heldBy {
	if is.ValFraction == 0 {
		return nil
	}
	for _, k := range []heldBy{
		{"data.val_fraction", was.ValFraction, is.ValFraction},
		{"data.val_seed", was.ValSeed, is.ValSeed},
		{"data.val_split", was.ValSplit, is.ValSplit},
	} {
		if k.was != k.is {
			return &k
		}
	}
	return nil
}

// noteKnown adds a note if the weights that a run starts from were trained on the same
// data set with other images held out: they may know images that are validated now. A
// pre-training has seen no labels.
func (t *trainer) noteKnown(path string) {
	meta, err := weights.Meta(path)
	if err != nil || meta[model.ConfigKey] == "" {
		return // of another program, which does not say what it was trained on
	}
	was, err := configs.Parse(path, meta[model.ConfigKey])
	if err != nil || was.Task != "classify" || !sameFolder(was.Data, t.config.Data) {
		return
	}
	if k := otherHoldOut(was.Data, t.config.Data); k != nil {
		t.origin = append(t.origin, fmt.Sprintf("note: these weights were trained on the same data set, with %s %v (here %v): they know images that are validated now, so the accuracy looks too good; --set %s=%v holds out the same images",
			k.key, k.was, k.is, k.key, k.was))
	}
}

// sameFolder reports whether both name the same data set.
func sameFolder(a, b configs.Data) bool {
	x, errX := filepath.Abs(a.Dir)
	y, errY := filepath.Abs(b.Dir)
	return errX == nil && errY == nil && x == y && a.Name == b.Name && a.Train == b.Train
}
