package configs

import "slices"

// DataSets are the values of data.name:
//
//	imagefolder     dir/train/<class>/… and dir/val/<class>/…
//	annotations     text files with a path and a label in each line
//	fashion-mnist   Fashion-MNIST, wherever it is
//	idx             images and labels in IDX files, as MNIST
//	cifar10, cifar100, cifar100-coarse   the binary version
//	shards          tar files in WebDataset form
//	packed          files that "data pack" wrote
var DataSets = []string{"imagefolder", "annotations", "fashion-mnist", "idx", "cifar10", "cifar100", "cifar100-coarse", "shards", "packed"}

// partKeys says which data sets have a name for their parts, and an example.
var partKeys = map[string]string{
	"imagefolder": "train", "annotations": "train.txt", "idx": "train-images-idx3-ubyte.gz", "shards": "train-{000000..000127}.tar", "packed": "train.pack",
}

// The values of data.val_split.
const (
	HashSplit    = "hash"
	ShuffleSplit = "shuffle"
)

// checkSource checks what says where the images are.
func (d Data) checkSource() *problem {
	if p := first(
		oneOf("data.name", d.Name, DataSets...),
		oneOf("data.on_bad_image", d.OnBadImage, "error", "skip"),
		oneOf("data.label_kind", d.LabelKind, "auto", "number", "name"),
		within("data.val_fraction", d.ValFraction, 0, 0.99),
		oneOf("data.val_split", d.ValSplit, HashSplit, ShuffleSplit),
	); p != nil {
		return p
	}
	for _, k := range []struct{ key, value string }{{"data.train", d.Train}, {"data.val", d.Val}} {
		if k.value != "" && partKeys[d.Name] == "" {
			return wrong(k.key, "a data set of name %s has files of fixed names, got %q; leave it out", d.Name, k.value).with("data.name")
		}
	}
	for _, k := range []struct{ key, value string }{{"data.train_labels", d.TrainLabels}, {"data.val_labels", d.ValLabels}} {
		if k.value != "" && d.Name != "idx" {
			return wrong(k.key, "only a data set of name idx has files of labels, this is %s; leave it out", d.Name).with("data.name")
		}
	}
	if d.Classes != "" && !slices.Contains([]string{"imagefolder", "annotations", "idx", "shards"}, d.Name) {
		return wrong("data.classes", "a data set of name %s says its classes itself, got %q; leave it out", d.Name, d.Classes).with("data.name")
	}
	if d.Name != "annotations" && d.Name != "shards" {
		switch {
		case d.LabelKind != "auto":
			return wrong("data.label_kind", "only lists (annotations) and shards have labels in a text, this is %s; leave it out", d.Name)
		case d.LabelKey != "":
			return wrong("data.label_key", "only lists (annotations) and shards have labels in a text, this is %s; leave it out", d.Name)
		}
	}
	if d.ValFraction > 0 && (d.Val != "" || d.ValLabels != "") {
		return wrong("data.val_fraction", "want either a part of its own (data.val) or a fraction of the training part, got both").with("data.val", "data.val_labels")
	}
	if d.Name == "idx" {
		if p := first(pair("data.train_labels", d.Train, d.TrainLabels), pair("data.val_labels", d.Val, d.ValLabels)); p != nil {
			return p
		}
	}
	return nil
}

// pair: images and labels are named both or not at all.
func pair(key, images, labels string) *problem {
	if (images == "") != (labels == "") {
		return wrong(key, "want the file of labels together with that of images, e.g. train: %s, train_labels: train-labels-idx1-ubyte.gz", partKeys["idx"]).with("data.name", "data.train", "data.val")
	}
	return nil
}
