package configs

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// DataFormat is what a configuration knows about a format of data sets, a value of data.name.
type DataFormat struct {
	Kind
	// Keys lists the keys from [FormatKeys] that the format takes.
	Keys []string
	// MultiLabel reports whether its images can have several labels.
	MultiLabel bool
	// Example is a value of data.train, if the format takes one.
	Example string
}

// FormatKeys lists the keys of section data that only some formats take.
var FormatKeys = []string{
	"train", "val", "train_labels", "val_labels", "classes", "label_kind", "label_key", "label_separator",
}

// DataFormats lists the formats of data sets; nil if the program knows none.
func DataFormats() []DataFormat {
	if registered.formats == nil {
		return nil
	}
	return registered.formats()
}

// dataFormat returns the format with a name, or nil.
func dataFormat(name string) *DataFormat {
	for _, f := range DataFormats() {
		if f.Name == name {
			return &f
		}
	}
	return nil
}

func (f *DataFormat) takes(key string) bool { return slices.Contains(f.Keys, key) }

// takers returns the names of the formats that take a key.
func takers(key string) (names []string) {
	for _, f := range DataFormats() {
		if f.takes(key) {
			names = append(names, f.Name)
		}
	}
	return names
}

// dataNames returns the values of data.name.
func dataNames() (names []string) {
	for _, f := range DataFormats() {
		names = append(names, f.Name)
	}
	return names
}

func kindNames(kinds []Kind) (names []string) {
	for _, k := range kinds {
		names = append(names, k.Name)
	}
	return names
}

// listed joins names with commas and "and".
func listed(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// The values of data.val_split.
const (
	GroupedSplit = "grouped"
	HashSplit    = "hash"
	ShuffleSplit = "shuffle"
)

// checkSource checks the keys that say where the images are.
func (d Data) checkSource(strict bool) *problem {
	f := dataFormat(d.Name)
	if names := dataNames(); f == nil && names != nil && strict {
		return oneOf("data.name", d.Name, names...)
	}
	if p := first(
		oneOf("data.on_bad_image", d.OnBadImage, "error", "skip"),
		oneOf("data.label_kind", d.LabelKind, "auto", "number", "name"),
		within("data.val_fraction", d.ValFraction, 0, 0.99),
		oneOf("data.val_split", d.ValSplit, GroupedSplit, HashSplit, ShuffleSplit),
	); p != nil {
		return p
	}
	if f != nil {
		if p := d.checkFormatKeys(f); p != nil {
			return p
		}
	}
	if p := d.checkFolds(); p != nil {
		return p
	}
	if d.ValFraction > 0 && (d.Val != "" || d.ValLabels != "") {
		return wrong("data.val_fraction", "want data.val or data.val_fraction, got both").
			with("data.val", "data.val_labels")
	}
	return nil
}

// checkFormatKeys refuses keys that the format does not take.
func (d Data) checkFormatKeys(f *DataFormat) *problem {
	for _, k := range []struct {
		key, value, usual string
		why               func(value string) string
	}{
		{"train", d.Train, "", d.fixedNames},
		{"val", d.Val, "", d.fixedNames},
		{"train_labels", d.TrainLabels, "", d.onlySome("train_labels", "files of labels")},
		{"val_labels", d.ValLabels, "", d.onlySome("val_labels", "files of labels")},
		{"classes", d.Classes, "", func(value string) string {
			return fmt.Sprintf("data sets of name %s have their own classes, got %q", d.Name, value)
		}},
		{"label_kind", d.LabelKind, "auto", d.onlySome("label_kind", "labels in a text")},
		{"label_key", d.LabelKey, "", d.onlySome("label_key", "labels in a text")},
		{"label_separator", d.Separator, "", d.onlySome("label_separator", "several labels in a text")},
	} {
		if k.value != k.usual && !f.takes(k.key) {
			return wrong("data."+k.key, "%s; leave it out", k.why(k.value)).with("data.name")
		}
	}
	if d.MultiLabel && !f.MultiLabel {
		var names []string
		for _, other := range DataFormats() {
			if other.MultiLabel {
				names = append(names, other.Name)
			}
		}
		return wrong("data.name", "data sets of name %s have one label per image: for task multilabel want one of %s",
			d.Name, listed(names)).
			with("task", "data.multi_label")
	}
	if !f.takes("train_labels") {
		return nil
	}
	return first(
		d.pair(f, "data.train_labels", d.Train, d.TrainLabels),
		d.pair(f, "data.val_labels", d.Val, d.ValLabels),
	)
}

func (d Data) fixedNames(value string) string {
	return fmt.Sprintf("data sets of name %s have fixed file names, got %q", d.Name, value)
}

// onlySome says which formats take a key.
func (d Data) onlySome(key, what string) func(string) string {
	return func(string) string {
		names := takers(key)
		if len(names) == 1 {
			return fmt.Sprintf("only data sets of name %s have %s, not %s", names[0], what, d.Name)
		}
		return fmt.Sprintf("only data sets of the names %s have %s, not %s", listed(names), what, d.Name)
	}
}

// pair: images and labels are both named, or neither.
func (Data) pair(f *DataFormat, key, images, labels string) *problem {
	if (images == "") != (labels == "") {
		return wrong(key,
			"want both files, images and labels, e.g. train: %s, train_labels: train-labels-idx1-ubyte.gz",
			f.Example).
			with("data.name", "data.train", "data.val")
	}
	return nil
}

// changeFormat looks for another data.name in a document before its other keys are read. It discards the
// options of the old format.
func (l *loader) changeFormat(root *yaml.Node) {
	section := valueOf(root, "data")
	if section == nil {
		return
	}
	name := valueOf(section, "name")
	if name == nil || name.Value == l.config.Data.Name {
		return
	}
	l.given.data = nil
	for key := range l.origin {
		if key == "data.options" || strings.HasPrefix(key, "data.options.") {
			delete(l.origin, key)
		}
	}
}

// dataOptions reads data.options. They replace earlier ones with the same key.
func (l *loader) dataOptions(n *yaml.Node, where func(*yaml.Node) string) {
	const key = "data.options"
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		l.report(where(n), key, "want keys and values, got %s", describe(n))
		return
	}
	l.given.data = l.collect(n, l.given.data, key+".", where)
	l.origin[key] = where(n)
}

// resolveDataOptions completes the options of the data set's format.
func (l *loader) resolveDataOptions() {
	d := &l.config.Data
	if f := dataFormat(d.Name); f != nil {
		d.Options = l.resolve(&f.Kind, "a data set of name "+d.Name, "data.options.", l.given.data)
		return
	}
	var err error
	if d.Options, err = plain(l.given.data); err != nil {
		l.report("config", "data.options", "%v", err)
	}
}

// strictName reports whether the program must know data.name. A checkpoint of another program may have
// a format of its own: its weights are useful without its data.
func (l *loader) strictName() bool {
	return !l.noFiles || strings.HasPrefix(l.origin["data.name"], "--set ")
}
