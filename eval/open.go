package eval

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/preprocess"
	"fasternet/data/sets"
)

// Open opens the training or the validation part of the configured data set. With
// data.val_fraction both are made of the training part. It is an error when something
// is wrong with the part; with data.on_bad_image: skip, images that cannot be read are
// not.
func Open(d configs.Data, train bool) (data.Dataset, error) {
	ds, err := Inspect(d, train)
	if err != nil {
		return nil, err
	}
	if err := data.CheckFaults(ds, d.OnBadImage == "skip"); err != nil {
		return nil, err
	}
	return ds, nil
}

// moved says what to do about an error if the folder of the data set is not there.
func moved(dir string, err error) error {
	if _, gone := os.Stat(dir); dir == "" || !errors.Is(gone, fs.ErrNotExist) {
		return err
	}
	return fmt.Errorf("data.dir: %s: no such folder; if the data set has moved, say where it is now: --data FOLDER", dir)
}

// Inspect is [Open] that leaves what is wrong with the part to the caller: see
// [data.FaultsOf].
func Inspect(d configs.Data, train bool) (data.Dataset, error) {
	if d.ValFraction > 0 {
		kept, held, err := InspectBoth(d)
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

// OpenBoth opens both parts, see [Open]. What they have in common is read once.
func OpenBoth(d configs.Data) (train, val data.Dataset, err error) {
	if train, val, err = InspectBoth(d); err != nil {
		return nil, nil, err
	}
	for _, ds := range []data.Dataset{train, val} {
		if err := data.CheckFaults(ds, d.OnBadImage == "skip"); err != nil {
			return nil, nil, err
		}
	}
	return train, val, nil
}

// InspectBoth is [OpenBoth] that leaves what is wrong with the parts to the caller.
func InspectBoth(d configs.Data) (train, val data.Dataset, err error) {
	if err := checkDir(d); err != nil {
		return nil, nil, err
	}
	if train, err = decoded(d, true, nil); err != nil {
		return nil, nil, err
	}
	if d.ValFraction == 0 {
		val, err = decoded(d, false, train)
		return train, val, err
	}
	holdOut := data.HoldOut
	if d.ValSplit == configs.ShuffleSplit {
		holdOut = data.HoldOutShuffled
	}
	train, val, err = holdOut(train, d.ValFraction, d.ValSeed)
	if err != nil {
		return nil, nil, fmt.Errorf("data.val_fraction: %w", err)
	}
	return train, val, nil
}

func checkDir(d configs.Data) error {
	if d.Dir == "" && d.Name != "fashion-mnist" {
		return fmt.Errorf("data.dir: want the folder of the data set: --data FOLDER%s", layouts[d.Name])
	}
	return nil
}

var layouts = map[string]string{"imagefolder": ", with train/<class>/ and val/<class>/"}

// decoded is [part] whose files are decoded as the configuration says.
func decoded(d configs.Data, train bool, training data.Dataset) (data.Dataset, error) {
	ds, err := part(d, train, training)
	if err != nil {
		return nil, moved(d.Dir, err)
	}
	data.DecodeAs(ds, preprocess.Decoding(d))
	return ds, nil
}

// part opens a part that has files of its own. For the validation part, training is the
// training part if that is open; otherwise it is opened where labels need it.
func part(d configs.Data, train bool, training data.Dataset) (data.Dataset, error) {
	labels, err := labelsOf(d)
	if err != nil {
		return nil, err
	}
	name, labelFile, split := d.Val, d.ValLabels, data.Val
	if train {
		name, labelFile, split = d.Train, d.TrainLabels, data.Train
	}
	switch d.Name {
	case "fashion-mnist":
		return sets.OpenFashionMNIST(d.Dir, train)
	case "cifar10":
		return sets.OpenCIFAR(d.Dir, sets.CIFAR10, train)
	case "cifar100":
		return sets.OpenCIFAR(d.Dir, sets.CIFAR100, train)
	case "cifar100-coarse":
		return sets.OpenCIFAR(d.Dir, sets.CIFAR100Coarse, train)
	case "packed":
		ds, err := sets.OpenPacked(under(d.Dir, name, string(split)+".pack"))
		return ds, called(err, split)
	case "imagefolder":
		root, err := classFolders(d, name, split)
		if err != nil {
			return nil, err
		}
		if train {
			return sets.InspectClassFolders(root, labels.Classes)
		}
		return sets.InspectValidationFolders(root, labels.Classes)
	}
	if !train {
		if labels, err = likeTraining(d, labels, training); err != nil {
			return nil, err
		}
	}
	switch d.Name {
	case "annotations":
		ds, err := sets.InspectAnnotations(under(d.Dir, name, string(split)+".txt"), d.Dir, labels)
		return ds, called(err, split)
	case "shards":
		files, err := shardFiles(d, name, split)
		if err != nil {
			return nil, err
		}
		return sets.InspectShards(files, labels)
	case "idx":
		if name == "" {
			if name, labelFile, err = sets.FindMNIST(d.Dir, train); err != nil {
				return nil, err
			}
		}
		return sets.OpenIDX(under(d.Dir, name, ""), under(d.Dir, labelFile, ""), labels.Classes)
	}
	return nil, fmt.Errorf("data.name: no data set is called %q", d.Name)
}

// called says what to do about an error if the file of a part is not there.
func called(err error, split data.Split) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w; say what the file is called with data.%s", err, split)
	}
	return err
}

// ClassNames reads the names in the file of data.classes; nil if there is none.
func ClassNames(d configs.Data) ([]string, error) {
	if d.Classes == "" {
		return nil, nil
	}
	return sets.ReadClassMap(under(d.Dir, d.Classes, ""))
}

// labelsOf says what the labels of a data set mean, as far as that is known before any
// is read.
func labelsOf(d configs.Data) (l sets.Labels, err error) {
	l = sets.Labels{Kind: sets.LabelKind(d.LabelKind), Key: d.LabelKey}
	if d.Classes != "" {
		l.From = d.Classes
		if l.Classes, err = ClassNames(d); err != nil {
			return l, fmt.Errorf("data.classes: %w", err)
		}
		return l, nil
	}
	if d.Name == "shards" { // "data shard" writes one, and labels as it says
		l.From = sets.ClassFile
		l.Classes, err = sets.ReadClassMap(filepath.Join(d.Dir, sets.ClassFile))
		if errors.Is(err, fs.ErrNotExist) {
			return sets.Labels{Kind: l.Kind, Key: l.Key}, nil
		}
		if kind := sets.ShardLabelKind(d.Dir); err == nil && kind != "" && l.Kind == sets.LabelAuto {
			l.Kind = kind
		}
	}
	return l, err
}

// likeTraining lets labels mean the same in the validation part as in the training part,
// which says how many classes there are, and whether labels are numbers or names.
func likeTraining(d configs.Data, l sets.Labels, training data.Dataset) (sets.Labels, error) {
	if l.Classes != nil && !l.Ambiguous() {
		return l, nil
	}
	if training == nil {
		var err error
		training, err = part(d, true, nil)
		if errors.Is(err, fs.ErrNotExist) { // a part to be evaluated alone
			return l, nil
		}
		if err != nil {
			return l, err
		}
	}
	if l.Classes == nil && !data.Unlabelled(training) {
		l.Classes, l.From = training.Classes(), sets.FromTraining
	}
	if k, ok := training.(interface{ LabelKind() sets.LabelKind }); ok && l.Kind == sets.LabelAuto {
		l.Kind = k.LabelKind()
	}
	return l, nil
}

// under is a path relative to dir.
func under(dir, name, usual string) string {
	if name == "" {
		name = usual
	}
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// classFolders is the folder that has the class folders of a part. What is to be
// taken apart may lie in the folder of the data set itself.
func classFolders(d configs.Data, name string, split data.Split) (string, error) {
	if name != "" {
		return under(d.Dir, name, ""), nil
	}
	root, err := sets.FindSplit(d.Dir, split)
	if d.ValFraction > 0 && (err != nil || !sets.HasFolders(root)) { // train may be a class
		return d.Dir, nil //nolint:nilerr // there are no parts to be found
	}
	return root, err
}

// shardFiles are the shards of a part: those of the pattern, or <split>*.tar in the
// folder or in one called like the part.
func shardFiles(d configs.Data, name string, split data.Split) ([]string, error) {
	if name != "" {
		return sets.ShardFiles(under(d.Dir, name, ""))
	}
	usual := filepath.Join(d.Dir, string(split)+"*.tar")
	for _, pattern := range []string{usual, filepath.Join(d.Dir, string(split), "*.tar")} {
		found, _ := filepath.Glob(pattern)
		if err := compressed(pattern, found); err != nil {
			return nil, err
		}
		if len(found) > 0 {
			return found, nil
		}
	}
	return nil, fmt.Errorf("data: no shards %s; say what they are called with data.%s, e.g. %s-{000000..000127}.tar", usual, split, split)
}

// unusedValidation is where the images of a validation part seem to be although
// data.val_fraction holds images out of the training part; "" for nowhere. A part that is
// called test may be for later.
func unusedValidation(d configs.Data) string {
	if d.ValFraction == 0 || d.Train != "" {
		return ""
	}
	var patterns []string
	switch d.Name {
	case "imagefolder":
		if train, err := sets.FindSplit(d.Dir, data.Train); err != nil || !sets.HasFolders(train) {
			return "" // the classes are in the folder itself
		}
		path, err := sets.FindSplit(d.Dir, data.Val)
		if err != nil || strings.EqualFold(filepath.Base(path), string(data.Test)) {
			return ""
		}
		return path
	case "annotations":
		patterns = []string{"val.txt"}
	case "packed":
		patterns = []string{"val.pack"}
	case "shards":
		patterns = []string{"val*.tar", filepath.Join("val", "*.tar")}
	}
	for _, pattern := range patterns {
		if found, _ := filepath.Glob(filepath.Join(d.Dir, pattern)); len(found) > 0 {
			return found[0]
		}
	}
	return ""
}

// compressed returns an error if there are shards that are not among the found ones since
// they are compressed.
func compressed(pattern string, found []string) error {
	others, _ := filepath.Glob(strings.TrimSuffix(pattern, ".tar") + ".t*")
	for _, file := range others {
		if name, ok := sets.CompressedShard(file); ok && !slices.Contains(found, name) {
			return fmt.Errorf("data: %s: a compressed shard; images are read where they lie in a shard, so decompress it first", file)
		}
	}
	return nil
}
