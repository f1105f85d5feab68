package sets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fasternet/data"
	"fasternet/data/picture"
)

const (
	cifarSide   = 32
	cifarPixels = cifarSide * cifarSide
)

// CIFARKind is one of the data sets of Krizhevsky, "Learning multiple layers of features from
// tiny images" (2009).
type CIFARKind struct {
	folder      string // the folder in the archive
	train, test []string
	labels      int // bytes before the pixels
	at          int // which of these bytes is the label
	names       string
	classes     []string // used if there is no file of names
	count       int
	records     [2]int // in each file of the training and the test part, as published
}

// The CIFAR data sets, in their binary version.
var (
	CIFAR10 = CIFARKind{
		folder:  "cifar-10-batches-bin",
		labels:  1,
		names:   "batches.meta.txt",
		count:   10,
		records: [2]int{10000, 10000},
		train: []string{
			"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin",
		},
		test:    []string{"test_batch.bin"},
		classes: []string{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"},
	}
	CIFAR100 = CIFARKind{
		folder:  "cifar-100-binary",
		labels:  2,
		at:      1,
		names:   "fine_label_names.txt",
		count:   100,
		records: [2]int{50000, 10000},
		train:   []string{"train.bin"},
		test:    []string{"test.bin"},
	}
	CIFAR100Coarse = CIFARKind{
		folder:  "cifar-100-binary",
		labels:  2,
		names:   "coarse_label_names.txt",
		count:   20,
		records: [2]int{50000, 10000},
		train:   []string{"train.bin"},
		test:    []string{"test.bin"},
	}
)

// CIFAR is a CIFAR data set in memory: RGB images of 32×32.
type CIFAR struct {
	pixels  []uint8 // interleaved
	labels  []uint8
	classes []string
	files   []string
	ends    []int // for each file, the number of samples up to its end
	notes   []string
}

// OpenCIFAR reads the training or the test part of a CIFAR data set from dir, or from the
// archive's folder in dir. Class names come from the file next to it, if there is one. It is
// an error when a file does not consist of whole records or a label is too large.
func OpenCIFAR(dir string, kind CIFARKind, train bool) (*CIFAR, error) {
	files, records := kind.test, kind.records[1]
	if train {
		files, records = kind.train, kind.records[0]
	}
	if _, err := os.Stat(filepath.Join(dir, files[0])); err != nil {
		if !isFolder(filepath.Join(dir, kind.folder)) {
			return nil, fmt.Errorf("data: %s: neither a file %s nor a folder %s; "+
				"unpack the binary version of the data set there", dir, files[0], kind.folder)
		}
		dir = filepath.Join(dir, kind.folder)
	}
	d := &CIFAR{}
	var err error
	if d.classes, err = kind.classNames(dir); err != nil {
		return nil, err
	}
	var short []string
	for _, name := range files {
		if err := d.read(filepath.Join(dir, name), kind); err != nil {
			return nil, err
		}
		if n := len(d.labels) - d.start(len(d.ends)-1); n < records {
			short = append(short, fmt.Sprintf("%s %d", name, n))
		}
	}
	if len(short) > 0 {
		d.notes = []string{fmt.Sprintf("%s: files with fewer images than the %d of the published data set: %s; "+
			"they may have been cut short", dir, records, strings.Join(short, ", "))}
	}
	return d, nil
}

func (kind CIFARKind) classNames(dir string) ([]string, error) {
	names, err := ReadClassMap(filepath.Join(dir, kind.names))
	switch {
	case errors.Is(err, fs.ErrNotExist) && kind.classes != nil:
		return kind.classes, nil
	case errors.Is(err, fs.ErrNotExist):
		return numbered(kind.count), nil
	case err != nil:
		return nil, err
	case len(names) != kind.count:
		return nil, fmt.Errorf("data: %s: %d class names, want %d",
			filepath.Join(dir, kind.names), len(names), kind.count)
	}
	return names, nil
}

// read appends the records of a file: labels, then the planes of red, green and blue.
func (d *CIFAR) read(path string, kind CIFARKind) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	if info.Size() > maxIDXBytes {
		return fmt.Errorf("data: %s has %d bytes; a file of CIFAR has less", path, info.Size())
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	record := kind.labels + 3*cifarPixels
	if len(content) == 0 || len(content)%record != 0 {
		return fmt.Errorf("data: %s has %d bytes, which are not whole records of %d bytes; "+
			"it is truncated or belongs to another data set", path, len(content), record)
	}
	d.pixels = slices.Grow(d.pixels, len(content)/record*3*cifarPixels)
	for ; len(content) > 0; content = content[record:] {
		label := content[kind.at]
		if int(label) >= kind.count {
			return fmt.Errorf("data: %s: label %d of record %d is not below the number of classes, %d",
				path, label, len(d.labels)-d.start(len(d.ends)), kind.count)
		}
		d.labels = append(d.labels, label)
		planes := content[kind.labels:record]
		for i := range cifarPixels {
			d.pixels = append(d.pixels, planes[i], planes[cifarPixels+i], planes[2*cifarPixels+i])
		}
	}
	d.files, d.ends = append(d.files, path), append(d.ends, len(d.labels))
	return nil
}

// start returns the first sample of a file.
func (d *CIFAR) start(file int) int {
	if file == 0 {
		return 0
	}
	return d.ends[file-1]
}

// Notes says what is allowed, but may be a mistake.
func (d *CIFAR) Notes() []string { return d.notes }

// Len returns the number of samples.
func (d *CIFAR) Len() int { return len(d.labels) }

// Classes lists the class names.
func (d *CIFAR) Classes() []string { return d.classes }

// Label returns the class index of sample i.
func (d *CIFAR) Label(i int) int { return int(d.labels[i]) }

// Image returns sample i, which shares the memory of the dataset.
func (d *CIFAR) Image(i int) (*picture.Image, error) {
	const size = 3 * cifarPixels
	return &picture.Image{
		Pix:      d.pixels[i*size : (i+1)*size : (i+1)*size],
		Height:   cifarSide,
		Width:    cifarSide,
		Channels: 3,
	}, nil
}

// Name returns the file of sample i and its number in it.
func (d *CIFAR) Name(i int) string {
	first := 0
	for k, end := range d.ends {
		if i < end {
			return fmt.Sprintf("%s[%d]", d.files[k], i-first)
		}
		first = end
	}
	return fmt.Sprintf("sample %d", i)
}

// Key returns the name of sample i within the dataset.
func (d *CIFAR) Key(i int) string { return filepath.Base(d.Name(i)) }

// StampSize returns a checksum of the pixels of sample i.
func (d *CIFAR) StampSize(i int) uint64 { return pixelSum(d, i) }

func cifarFormat(kind CIFARKind, name, doc string, signs ...string) Format {
	return Format{
		Name: name, Doc: doc,
		Signs: signs,
		Open: func(p *Part) (data.Dataset, error) {
			ds, err := OpenCIFAR(p.Config.Dir, kind, p.Train())
			return orNil(ds, err)
		},
	}
}
