package sets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/preprocess"
)

// Open opens the training or the validation part of the configured data set. With
// data.val_fraction or data.folds both come from the training part. It is an error when
// something is wrong with the part; but with data.on_bad_image: skip, an image that cannot be
// read is not an error. A search for copies reports to ctx how far it is (package progress), and
// returns the cause when ctx ends.
func Open(ctx context.Context, d configs.Data, train bool) (data.Dataset, error) {
	if d.HoldsOut() {
		kept, held, err := OpenBoth(ctx, d)
		if train {
			return kept, err
		}
		return held, err
	}
	ds, err := Inspect(ctx, d, train)
	if err != nil {
		return nil, err
	}
	if err := checkFaults(d, ds); err != nil {
		return nil, err
	}
	return ds, nil
}

func checkFaults(d configs.Data, ds data.Dataset) error {
	switch d.OnBadImage {
	case "", "error":
		return data.CheckFaults(ds, false)
	case "skip":
		return data.CheckFaults(ds, true)
	}
	return fmt.Errorf("data.on_bad_image: want error or skip, got %q", d.OnBadImage)
}

// moved adds what to do to an error, if the folder of the data set does not exist.
func moved(dir string, err error) error {
	if _, gone := os.Stat(dir); dir == "" || !errors.Is(gone, fs.ErrNotExist) {
		return err
	}
	return fmt.Errorf("data.dir: %s: no such folder; if the data set has moved, say where it is now: --data FOLDER",
		dir)
}

// Inspect is [Open], but leaves what is wrong with the part to the caller: see
// [data.FaultsOf].
func Inspect(ctx context.Context, d configs.Data, train bool) (data.Dataset, error) {
	if d.HoldsOut() {
		kept, held, err := InspectBoth(ctx, d)
		if train {
			return kept, err
		}
		return held, err
	}
	if err := checkDir(d); err != nil {
		return nil, err
	}
	return decoded(d, train, nil)
}

// OpenBoth opens both parts, see [Open]. It reads only once what they have in common.
func OpenBoth(ctx context.Context, d configs.Data) (train, val data.Dataset, err error) {
	if d.HoldsOut() {
		var whole data.Dataset
		if whole, err = OpenWhole(d); err == nil { // what is wrong already needs no search for copies
			train, val, err = HoldOut(ctx, d, whole)
		}
	} else {
		train, val, err = InspectBoth(ctx, d)
	}
	if err != nil {
		return nil, nil, err
	}
	for _, ds := range []data.Dataset{train, val} {
		if err := checkFaults(d, ds); err != nil {
			return nil, nil, err
		}
	}
	return train, val, nil
}

// InspectBoth is [OpenBoth], but leaves what is wrong with the parts to the caller.
func InspectBoth(ctx context.Context, d configs.Data) (train, val data.Dataset, err error) {
	if err := checkDir(d); err != nil {
		return nil, nil, err
	}
	if train, err = decoded(d, true, nil); err != nil {
		return nil, nil, err
	}
	if !d.HoldsOut() {
		val, err = decoded(d, false, train)
		return train, val, err
	}
	return HoldOut(ctx, d, train)
}

// OpenWhole opens the training part before images are held out for [HoldOut].
func OpenWhole(d configs.Data) (data.Dataset, error) {
	if err := checkDir(d); err != nil {
		return nil, err
	}
	ds, err := decoded(d, true, nil)
	if err != nil || ds.Len() == 0 { // HoldOut says what to do about an empty data set
		return ds, err
	}
	return ds, checkFaults(d, ds)
}

// HoldOut holds the validation images out of the training part, as data.folds or data.val_fraction says.
func HoldOut(ctx context.Context, d configs.Data, ds data.Dataset) (train, val data.Dataset, err error) {
	if ds.Len() == 0 { // its faults say why, and nothing can be held out
		if err := data.CheckFaults(ds, false); err != nil {
			return nil, nil, err
		}
	}
	if d.Folds > 0 {
		train, val, err = data.HoldOutFoldContext(ctx, ds, d.Fold, d.Folds, d.ValSeed, d.FoldGroups)
		if err != nil {
			return nil, nil, holdOutError(ctx, "data.folds", err)
		}
		return train, val, nil
	}
	switch d.ValSplit {
	case "", configs.GroupedSplit:
		train, val, err = data.HoldOutGroupedContext(ctx, ds, d.ValFraction, d.ValSeed)
	case configs.HashSplit:
		train, val, err = data.HoldOut(ds, d.ValFraction, d.ValSeed)
	case configs.ShuffleSplit:
		train, val, err = data.HoldOutShuffled(ds, d.ValFraction, d.ValSeed)
	default:
		return nil, nil, fmt.Errorf("data.val_split: want %s, %s or %s, got %q",
			configs.GroupedSplit, configs.HashSplit, configs.ShuffleSplit, d.ValSplit)
	}
	if err != nil {
		return nil, nil, holdOutError(ctx, "data.val_fraction", err)
	}
	return train, val, nil
}

// holdOutError names the key of an error, unless the search for copies was interrupted.
func holdOutError(ctx context.Context, key string, err error) error {
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, cause) {
		return err
	}
	return fmt.Errorf("%s: %w", key, err)
}

// checkDir returns an error if the format is unknown, or if it needs a folder and has none.
func checkDir(d configs.Data) error {
	f, err := formatOf(d)
	if err != nil || d.Dir != "" || f.NoDir {
		return err
	}
	layout := ""
	if d.Name == imageFolderFormat.Name {
		layout = ", with train/<class>/ and val/<class>/"
	}
	return fmt.Errorf("data.dir: want the folder of the data set: --data FOLDER%s", layout)
}

// decoded opens a part and sets how its files are decoded.
func decoded(d configs.Data, train bool, training data.Dataset) (data.Dataset, error) {
	how, err := preprocess.Decoding(d)
	if err != nil {
		return nil, err
	}
	ds, err := part(d, train, training)
	if err != nil {
		return nil, moved(d.Dir, err)
	}
	data.DecodeAs(ds, how)
	return ds, nil
}

// part opens a part that has its own files. For the validation part, training is the training
// part if it is open already; otherwise part opens it if the labels need it.
func part(d configs.Data, train bool, training data.Dataset) (data.Dataset, error) {
	f, err := formatOf(d)
	if err != nil {
		return nil, err
	}
	p := &Part{Config: d, Split: data.Val, File: d.Val, LabelFile: d.ValLabels, training: training}
	if train {
		p.Split, p.File, p.LabelFile = data.Train, d.Train, d.TrainLabels
	}
	if p.Options, err = f.kind().ReadOptions(d.Options, "data.options"); err != nil {
		return nil, err
	}
	ds, err := f.Open(p)
	switch {
	case err != nil:
		return nil, err
	case ds == nil:
		return nil, fmt.Errorf("data.name: %s returned neither a data set nor an error", d.Name)
	}
	return ds, nil
}
