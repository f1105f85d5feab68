package sets

import (
	"fmt"
	"slices"
	"sync"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/internal/disk"
)

// Format is a format of data sets: a value of data.name.
type Format struct {
	Name string // the value of data.name
	Doc  string // which files it has, in one line

	// Keys are the keys of the section data that it takes, from [configs.FormatKeys]; it
	// refuses others. Example is a value of data.train, if this is one of the keys.
	Keys    []string
	Example string

	// MultiLabel says that its images can have any number of labels. If the configuration
	// asks for it (data.multi_label), the dataset has label sets ([data.MultiLabelled]).
	MultiLabel bool

	// NoDir says that it can be opened without data.dir.
	NoDir bool

	// Signs are patterns of file names. A folder with such a file is a data set of this
	// format, if only the folder is given.
	Signs []string

	// Options returns a pointer to the struct of data.options with its defaults; nil if there
	// are none. See [configs.Kind].
	Options func() any

	// Open opens a part. It leaves faults of samples to [data.FaultsOf].
	Open func(p *Part) (data.Dataset, error)

	// Unused returns where images of a validation part seem to be, although
	// data.val_fraction holds images out of the training part; "" if there are none. It is
	// nil if nobody can know.
	Unused func(d configs.Data) string
}

func (f Format) kind() configs.Kind {
	return configs.Kind{Name: f.Name, Doc: f.Doc, Options: f.Options}
}

// formats lists the built-in formats; [Register] adds others.
var formats = struct {
	sync.Mutex
	list []Format
}{}

// init fills the list: a format opens parts, which look up formats.
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
			known = append(known, configs.DataFormat{
				Kind:       f.kind(),
				Keys:       f.Keys,
				Example:    f.Example,
				MultiLabel: f.MultiLabel,
			})
		}
		return known
	})
}

// Register adds a format. Call it from an init function; then data.name can name it in every
// command of the program. It panics if the format has no name or no Open, if its name is
// taken, if it takes an unknown key, or if its options are not a struct with tags.
func Register(f Format) {
	formats.Lock()
	defer formats.Unlock()
	switch {
	case f.Name == "" || f.Open == nil:
		panic("sets: a format needs a name and a function Open")
	case slices.ContainsFunc(formats.list, func(g Format) bool { return g.Name == f.Name }):
		panic(fmt.Sprintf("sets: a format %q is already registered", f.Name))
	}
	for _, key := range f.Keys {
		if !slices.Contains(configs.FormatKeys, key) {
			panic(fmt.Sprintf("sets: format %s takes data.%s, which is not one of the keys %v",
				f.Name, key, configs.FormatKeys))
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

// formatOf returns the format of a data set.
func formatOf(d configs.Data) (Format, error) {
	for _, f := range Formats() {
		if f.Name == d.Name {
			return f, nil
		}
	}
	return Format{}, fmt.Errorf("data.name: no data set is called %q; "+
		"if your own program registers it, use this program", d.Name)
}

// NeedsDir says whether a data set needs data.dir.
func NeedsDir(d configs.Data) bool {
	f, err := formatOf(d)
	return err != nil || !f.NoDir
}

// FormatIn returns the format of the data set in a folder, found by the names of its files;
// "imagefolder" if they say nothing. It tries the formats that were registered last first.
func FormatIn(dir string) string {
	for _, f := range slices.Backward(Formats()) {
		for _, pattern := range f.Signs {
			if found, _ := disk.Glob(dir, pattern); len(found) > 0 {
				return f.Name
			}
		}
	}
	return imageFolderFormat.Name
}

// UnusedValidation returns where images of a validation part seem to be, although
// data.val_fraction holds images out of the training part; "" if there are none.
func UnusedValidation(d configs.Data) string {
	f, err := formatOf(d)
	if err != nil || f.Unused == nil || !d.HoldsOut() || d.Train != "" {
		return ""
	}
	return f.Unused(d)
}

// firstFound returns the first file or folder in a data set's folder that fits a pattern.
func firstFound(d configs.Data, patterns ...string) string {
	for _, pattern := range patterns {
		if found, _ := disk.Glob(d.Dir, pattern); len(found) > 0 {
			return found[0]
		}
	}
	return ""
}
