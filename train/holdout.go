package train

import (
	"fmt"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/eval"
	"fasternet/model"
)

// checkHoldOut returns an error if a resumed run would validate on images that it was trained on, because other
// images are held out now than when the checkpoint was written.
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
		return fmt.Errorf("the data set has changed from %d training and %d validation images to %d and %d; "+
			"with data.val_split shuffle other images are now held out, and the run has trained on some of them: "+
			"restore the files, or start a new run",
			l.TrainImages, l.ValImages, t.train.Len(), t.val.Len())
	}
	return nil
}

// sameHoldOut returns an error unless both configurations hold out the same images.
func sameHoldOut(was, is configs.Data) error {
	if k := eval.OtherHoldOut(was, is); k != nil {
		return fmt.Errorf("%s is %v, but the run has %v: validation would use images that it has trained on; "+
			"continue with --set %s=%v, or start a new run with --run DIR",
			k.Key, k.Is, k.Was, k.Key, k.Was)
	}
	return nil
}

// noteKnown adds a note if the weights to start from were trained on the same data set with other images held out:
// they may know images that are now in the validation part. A pre-training has seen no labels.
func (t *trainer) noteKnown(path string) {
	was := model.TrainedOn(path)
	if was == nil {
		return
	}
	if note := eval.KnownNote(*was, t.config.Data); note != "" {
		t.origin = append(t.origin, "note: "+note)
	}
}
