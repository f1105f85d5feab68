package sets

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"fasternet/configs"
	"fasternet/data"
)

// Format is a format of data sets: a value of data.name.
type Format struct {
	Name string // the value of data.name
	Doc  string // in a line: which files it has

	// Keys are the keys of the section data that it takes, of [configs.FormatKeys]; others
	// are refused. Example is a value of data.train, if that is one of them.
	Keys    []string
	Example string

	// MultiLabel says that its images can have any number of labels: the dataset is then one
	// with label sets ([data.MultiLabelled]) where the configuration says so (data.multi_label).
	MultiLabel bool

	// NoDir says that it can be opened without data.dir.
	NoDir bool

	// Signs are patterns of names in a folder by which a data set of this format is known
	// when only its folder is given.
	Signs []string

	// Options makes the struct of data.options with its defaults; nil if it has none. See
	// [configs.Kind].
	Options func() any

	// Open opens a part. What is wrong with samples it leaves to [data.FaultsOf].
	Open func(p *Part) (data.Dataset, error)

	// Unused is where the images of a validation part seem to be although data.val_fraction
	// holds images out of the training part; "" for nowhere, and nil if nobody can know.
	Unused func(d configs.Data) string
}

func (f Format) kind() configs.Kind {
	return configs.Kind{Name: f.Name, Doc: f.Doc, Options: f.Options}
}

// formats is the table of the formats that are built in; [Register] adds others.
var formats = struct {
	sync.Mutex
	list []Format
}{}

// The table is filled by init: the formats open parts, which looks formats up.
func init() {
	formats.list = []Format{
		imageFolderFormat, annotationsFormat, fashionMNISTFormat, idxFormat,
		cifarFormat(CIFAR100Coarse, "cifar100-coarse", "CIFAR-100, binary version, with its 20 superclasses"),
		cifarFormat(CIFAR100, "cifar100", "CIFAR-100, binary version", "cifar-100-binary"),
		cifarFormat(CIFAR10, "cifar10", "CIFAR-10, binary version", "data_batch_1.bin", "cifar-10-batches-bin"),
		shardsFormat, packedFormat,
	}
	configs.KnowDataFormats(func() (known []configs.DataFormat) {
		for _, f := range Formats() {
			known = append(known, configs.DataFormat{Kind: f.kind(), Keys: f.Keys, Example: f.Example, MultiLabel: f.MultiLabel})
		}
		return known
	})
}

// Register adds a format. Call it from an init function; then data.name can name it in
// every command of the program. It panics if the format has no name or no Open, its name
// is taken, it takes a key that does not exist, or its options are no struct with tags.
func Register(f Format) {
	formats.Lock()
	defer formats.Unlock()
	switch {
	case f.Name == "" || f.Open == nil:
		panic("sets: a format needs a name, and a function that opens a part")
	case slices.ContainsFunc(formats.list, func(g Format) bool { return g.Name == f.Name }):
		panic(fmt.Sprintf("sets: there is a format called %q already", f.Name))
	}
	for _, key := range f.Keys {
		if !slices.Contains(configs.FormatKeys, key) {
			panic(fmt.Sprintf("sets: format %s takes data.%s, which is not one of the keys %v", f.Name, key, configs.FormatKeys))
		}
	}
	if err := f.kind().CheckOptions(); err != nil {
		panic(fmt.Sprintf("sets: format %s: %v", f.Name, err))
	}
	formats.list = append(formats.list, f)
}

// Formats lists the formats.
func Formats() []Format {
	formats.Lock()
	defer formats.Unlock()
	return slices.Clone(formats.list)
}

// formatOf is the format of a data set.
func formatOf(d configs.Data) (Format, error) {
	for _, f := range Formats() {
		if f.Name == d.Name {
			return f, nil
		}
	}
	return Format{}, fmt.Errorf("data.name: no data set is called %q; a format of a program of one's own is known in that program alone", d.Name)
}

// NeedsDir says whether a data set cannot be opened without data.dir.
func NeedsDir(d configs.Data) bool {
	f, err := formatOf(d)
	return err != nil || !f.NoDir
}

// FormatIn is the name of the format of the data set in a folder, by the names of its files;
// "imagefolder" if they say nothing. Formats that were registered last are tried first.
func FormatIn(dir string) string {
	for _, f := range slices.Backward(Formats()) {
		for _, pattern := range f.Signs {
			if found, _ := filepath.Glob(filepath.Join(dir, pattern)); len(found) > 0 {
				return f.Name
			}
		}
	}
	return imageFolderFormat.Name
}

// UnusedValidation is where the images of a validation part seem to be although
// data.val_fraction holds images out of the training part; "" for nowhere.
func UnusedValidation(d configs.Data) string {
	f, err := formatOf(d)
	if err != nil || f.Unused == nil || !d.HoldsOut() || d.Train != "" {
		return ""
	}
	return f.Unused(d)
}

// firstFound is the first file or folder of some patterns in the folder of a data set.
func firstFound(d configs.Data, patterns ...string) string {
	for _, pattern := range patterns {
		if found, _ := filepath.Glob(filepath.Join(d.Dir, pattern)); len(found) > 0 {
			return found[0]
		}
	}
	return ""
}
