package eval

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/preprocess"
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
	if _, gone := os.Stat(dir); dir == "" || !errors.Is(gone, os.ErrNotExist) {
		return err
	}
	return fmt.Errorf("data.dir: %s: no such folder; if the data set has moved, say where it is now: --data FOLDER", dir)
}

// Inspect is [Open] that leaves what is wrong with the part to the caller: see
// [data.FaultsOf].
func Inspect(d configs.Data, train bool) (data.Dataset, error) {
	ds, err := inspect(d, train)
	if err != nil {
		return nil, moved(d.Dir, err)
	}
	return ds, nil
}

func inspect(d configs.Data, train bool) (data.Dataset, error) {
	if d.Dir == "" && d.Name != "fashion-mnist" {
		return nil, fmt.Errorf("data.dir: want the folder of the data set: --data FOLDER%s", layouts[d.Name])
	}
	if d.ValFraction == 0 {
		return decoded(d, train)
	}
	all, err := decoded(d, true)
	if err != nil {
		return nil, err
	}
	holdOut := data.HoldOut
	if d.ValSplit == configs.ShuffleSplit {
		holdOut = data.HoldOutShuffled
	}
	kept, held, err := holdOut(all, d.ValFraction, d.ValSeed)
	if err != nil {
		return nil, fmt.Errorf("data.val_fraction: %w", err)
	}
	if train {
		return kept, nil
	}
	return held, nil
}

var layouts = map[string]string{"imagefolder": ", with train/<class>/ and val/<class>/"}

// decoded is a part whose files are decoded as the configuration says.
func decoded(d configs.Data, train bool) (data.Dataset, error) {
	ds, err := part(d, train)
	if err != nil {
		return nil, err
	}
	data.DecodeAs(ds, preprocess.Decoding(d))
	return ds, nil
}

// part opens a part that has files of its own.
func part(d configs.Data, train bool) (data.Dataset, error) {
	classes, err := classMap(d)
	if err != nil {
		return nil, err
	}
	name, labels, split := d.Val, d.ValLabels, data.Val
	if train {
		name, labels, split = d.Train, d.TrainLabels, data.Train
	}
	switch d.Name {
	case "fashion-mnist":
		return data.OpenFashionMNIST(d.Dir, train)
	case "cifar10":
		return data.OpenCIFAR(d.Dir, data.CIFAR10, train)
	case "cifar100":
		return data.OpenCIFAR(d.Dir, data.CIFAR100, train)
	case "cifar100-coarse":
		return data.OpenCIFAR(d.Dir, data.CIFAR100Coarse, train)
	case "packed":
		return data.OpenPacked(under(d.Dir, name, string(split)+".pack"))
	case "imagefolder":
		root, err := classFolders(d, name, split)
		if err != nil {
			return nil, err
		}
		return data.InspectClassFolders(root, classes)
	}
	// Where the labels are numbers, those of the training part say how many classes
	// there are.
	if classes == nil && !train && d.ValFraction == 0 {
		all, err := part(d, true)
		if err != nil {
			return nil, err
		}
		classes = all.Classes()
	}
	switch d.Name {
	case "annotations":
		return data.OpenAnnotations(under(d.Dir, name, string(split)+".txt"), d.Dir, classes)
	case "shards":
		files, err := shardFiles(d, name, split)
		if err != nil {
			return nil, err
		}
		return data.OpenShards(files, classes)
	case "idx":
		if name == "" {
			if name, labels, err = data.FindMNIST(d.Dir, train); err != nil {
				return nil, err
			}
		}
		return data.OpenIDX(under(d.Dir, name, ""), under(d.Dir, labels, ""), classes)
	}
	return nil, fmt.Errorf("data.name: no data set is called %q", d.Name)
}

// classMap reads the class names, if there is a file of them.
func classMap(d configs.Data) ([]string, error) {
	if d.Classes != "" {
		return data.ReadClassMap(under(d.Dir, d.Classes, ""))
	}
	if d.Name == "shards" { // "data shard" writes one
		classes, err := data.ReadClassMap(filepath.Join(d.Dir, data.ClassFile))
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		return classes, err
	}
	return nil, nil
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
	root, err := data.FindSplit(d.Dir, split)
	if err != nil && d.ValFraction > 0 {
		return d.Dir, nil
	}
	return root, err
}

// shardFiles are the shards of a part: those of the pattern, or <split>*.tar in the
// folder or in one called like the part.
func shardFiles(d configs.Data, name string, split data.Split) ([]string, error) {
	if name != "" {
		return data.ShardFiles(under(d.Dir, name, ""))
	}
	usual := filepath.Join(d.Dir, string(split)+"*.tar")
	for _, pattern := range []string{usual, filepath.Join(d.Dir, string(split), "*.tar")} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found, nil
		}
	}
	return nil, fmt.Errorf("data: no shards %s; say what they are called with data.%s, e.g. %s-{000000..000127}.tar", usual, split, split)
}
