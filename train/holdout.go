package train

import (
	"fmt"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/model"
)

// checkHoldOut is an error if a run that is resumed would validate images that it has
// been trained on: because another part is held out now than when the checkpoint was
// written.
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
			"data.val_split is shuffle, so other images are held out now, and some that the run was trained on would be validated: restore the files, or begin a new run",
			l.TrainImages, l.ValImages, t.train.Len(), t.val.Len())
	}
	return nil
}

// sameHoldOut is an error unless both configurations hold out the same part.
func sameHoldOut(was, is configs.Data) error {
	if was.ValFraction == 0 && is.ValFraction == 0 {
		return nil
	}
	for _, k := range []struct {
		key     string
		was, is any
	}{
		{"data.val_fraction", was.ValFraction, is.ValFraction},
		{"data.val_seed", was.ValSeed, is.ValSeed},
		{"data.val_split", was.ValSplit, is.ValSplit},
	} {
		if k.was != k.is {
			return fmt.Errorf("%s is %v, in the run it is %v: images that it was trained on would be validated; --set %s=%v goes on as it was, --run DIR begins another run",
				k.key, k.is, k.was, k.key, k.was)
		}
	}
	return nil
}
