package sets

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"fasternet/data"
	"fasternet/data/picture"
)

// maxIDXBytes is the largest IDX content to read. The largest set in use (EMNIST ByClass,
// 0.6 GB) fits.
const maxIDXBytes = 1 << 30

// IDX is a dataset in two IDX files, the format of MNIST, held in memory.
type IDX struct {
	path, name    string // of the image file
	pixels        []uint8
	height, width int
	labels        []int32
	classes       []string
}

// OpenIDX reads a dataset of grey images. imagesPath is an IDX file of unsigned bytes
// [N, height, width]. labelsPath is one of bytes or integers [N], or [N, any] with the class
// first (QMNIST). Each label is an index into classes; if this is nil, numbers are the names.
// The files may be compressed with gzip, whatever their names are. It is an error when a file
// is damaged or the two do not fit together.
func OpenIDX(imagesPath, labelsPath string, classes []string) (*IDX, error) {
	dims, kind, pixels, err := readIDXFile(imagesPath)
	if err != nil {
		return nil, err
	}
	if kind != idxByte {
		return nil, fmt.Errorf("data: %s: IDX type %#02x; images are unsigned bytes (0x08)", imagesPath, kind)
	}
	if len(dims) != 3 {
		return nil, fmt.Errorf("data: %s: %d dimensions; a file of grey images has 3 (count, height, width)",
			imagesPath, len(dims))
	}
	if len(pixels) == 0 {
		return nil, fmt.Errorf("data: %s: no images", imagesPath)
	}
	labels, err := readIDXLabels(labelsPath)
	if err != nil {
		return nil, err
	}
	if len(labels) != dims[0] {
		return nil, fmt.Errorf("data: %s has %d images, but %s has %d labels; the files do not belong together",
			imagesPath, dims[0], labelsPath, len(labels))
	}
	if classes == nil {
		classes = numbered(int(slices.Max(labels)) + 1)
	}
	for i, label := range labels {
		if int(label) >= len(classes) {
			return nil, fmt.Errorf("data: %s: label %d of sample %d is not below the number of classes, %d",
				labelsPath, label, i, len(classes))
		}
	}
	return &IDX{imagesPath, filepath.Base(imagesPath), pixels, dims[1], dims[2], labels, classes}, nil
}

// Len returns the number of samples.
func (d *IDX) Len() int { return len(d.labels) }

// Classes lists the class names.
func (d *IDX) Classes() []string { return d.classes }

// Label returns the class index of sample i.
func (d *IDX) Label(i int) int { return int(d.labels[i]) }

// Image returns sample i, a grey image that shares the memory of the dataset.
func (d *IDX) Image(i int) (*picture.Image, error) {
	size := d.height * d.width
	return &picture.Image{
		Pix:      d.pixels[i*size : (i+1)*size : (i+1)*size],
		Height:   d.height,
		Width:    d.width,
		Channels: 1,
	}, nil
}

// Name returns the name of the image file with the index of sample i.
func (d *IDX) Name(i int) string { return fmt.Sprintf("%s[%d]", d.name, i) }

// idxByte is the IDX type of unsigned bytes.
const idxByte = 0x08

// idxIntegers has the IDX types of integers, and their sizes in bytes.

var idxIntegers = map[uint8]int{idxByte: 1, 0x09: 1, 0x0b: 2, 0x0c: 4}

func readIDXFile(path string) (dims []int, kind uint8, content []uint8, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, nil, fmt.Errorf("data: %w", err)
	}
	defer f.Close()
	dims, kind, content, err = readIDX(f)
	if err != nil {
		return nil, 0, nil, fmt.Errorf("data: %s: %w", path, err)
	}
	return dims, kind, content, nil
}

// readIDXLabels reads the labels of a file: all values, or the first column.
func readIDXLabels(path string) ([]int32, error) {
	dims, kind, content, err := readIDXFile(path)
	if err != nil {
		return nil, err
	}
	if len(dims) == 0 || len(dims) > 2 || len(content) == 0 {
		return nil, fmt.Errorf("data: %s: dimensions %v; "+
			"a file of labels has one, or two with the class in the first column", path, dims)
	}
	size := idxIntegers[kind]
	step := len(content) / dims[0]
	labels := make([]int32, dims[0])
	for i := range labels {
		v := content[i*step:]
		switch {
		case kind == idxByte:
			labels[i] = int32(v[0])
		case size == 1:
			labels[i] = int32(int8(v[0]))
		case size == 2:
			labels[i] = int32(int16(binary.BigEndian.Uint16(v)))
		default:
			labels[i] = int32(binary.BigEndian.Uint32(v))
		}
		if labels[i] < 0 || labels[i] >= maxClasses {
			return nil, fmt.Errorf("data: %s: label %d of sample %d is not from 0 to %d",
				path, labels[i], i, maxClasses-1)
		}
	}
	return labels, nil
}

// FindMNIST finds the images and labels of the training or the test part of a data set with
// the names of MNIST, train-images-idx3-ubyte and so on, with or without .gz.
func FindMNIST(dir string, train bool) (images, labels string, err error) {
	part := "t10k"
	if train {
		part = "train"
	}
	for _, file := range []struct {
		name string
		path *string
	}{{part + "-images-idx3-ubyte", &images}, {part + "-labels-idx1-ubyte", &labels}} {
		for _, ending := range []string{".gz", ""} {
			if _, err := os.Stat(filepath.Join(dir, file.name+ending)); err == nil && *file.path == "" {
				*file.path = file.name + ending
			}
		}
		if *file.path == "" {
			return "", "", fmt.Errorf("data: %s: no file %s or %s.gz; "+
				"name the files with data.train, data.train_labels, data.val and data.val_labels",
				dir, file.name, file.name)
		}
	}
	return images, labels, nil
}

// readIDX reads an IDX file of integers: two zero bytes, the type, the number of dimensions,
// each dimension as a big-endian uint32, and the values, big-endian, last index fastest.
func readIDX(r io.Reader) (dims []int, kind uint8, content []uint8, err error) {
	r, err = gunzipped(r)
	if err != nil {
		return nil, 0, nil, err
	}
	var magic [4]byte
	if _, err := io.ReadFull(r, magic[:]); err != nil {
		return nil, 0, nil, truncated("the magic number", err)
	}
	if magic[0] != 0 || magic[1] != 0 || magic[3] == 0 {
		return nil, 0, nil, fmt.Errorf("not an IDX file: it starts with the bytes % x", magic)
	}
	size := idxIntegers[magic[2]]
	if size == 0 {
		return nil, 0, nil, fmt.Errorf("IDX type %#02x is not supported; use integers (0x08, 0x09, 0x0b, 0x0c)",
			magic[2])
	}
	for i := range int(magic[3]) {
		var d uint32
		if err := binary.Read(r, binary.BigEndian, &d); err != nil {
			return nil, 0, nil, truncated(fmt.Sprintf("dimension %d", i), err)
		}
		if d != 0 && size > maxIDXBytes/int(d) {
			return nil, 0, nil, fmt.Errorf("the dimensions %v exceed the limit of %d bytes",
				append(dims, int(d)), maxIDXBytes)
		}
		size *= int(d)
		dims = append(dims, int(d))
	}
	// The buffer grows with the data that arrives: a header can promise anything.
	var buf bytes.Buffer
	buf.Grow(min(size, 1<<20))
	if n, err := io.CopyN(&buf, r, int64(size)); err != nil {
		return nil, 0, nil, truncated(fmt.Sprintf("value %d of %d", n, size), err)
	}
	switch n, err := io.CopyN(io.Discard, r, 1); {
	case n != 0:
		return nil, 0, nil, fmt.Errorf("there is more data than the %d values of the dimensions %v", size, dims)
	case !errors.Is(err, io.EOF): // for example, gzip found a wrong checksum
		return nil, 0, nil, truncated("its end", err)
	}
	return dims, magic[2], buf.Bytes(), nil
}

// gunzipped returns r, decompressed if its content is gzip.
func gunzipped(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 1<<16)
	if head, _ := b.Peek(2); !bytes.Equal(head, []byte{0x1f, 0x8b}) {
		return b, nil
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		return nil, truncated("the gzip header", err)
	}
	return z, nil
}

func truncated(where string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the file is truncated at %s", where)
	}
	return fmt.Errorf("at %s: %w", where, err)
}

// Key returns the name of sample i within the dataset.
func (d *IDX) Key(i int) string {
	return strings.TrimSuffix(d.name, ".gz") + "[" + strconv.Itoa(i) + "]"
}

// StampSize returns a checksum of the pixels of sample i.
func (d *IDX) StampSize(i int) uint64 { return pixelSum(d, i) }

// Place returns the file of sample i, and where it is in the file.
func (d *IDX) Place(i int) (file, within string) { return d.path, strconv.Itoa(i) }

var idxFormat = Format{
	Name:    "idx",
	Doc:     "images and labels in IDX files, as MNIST",
	Keys:    []string{"train", "val", "train_labels", "val_labels", "classes"},
	Example: "train-images-idx3-ubyte.gz",
	Signs:   []string{"train-images-idx3-ubyte*"},
	Open: func(p *Part) (data.Dataset, error) {
		labels, err := p.Labels()
		if err != nil {
			return nil, err
		}
		images, labelFile := p.File, p.LabelFile
		if images == "" {
			if images, labelFile, err = FindMNIST(p.Config.Dir, p.Train()); err != nil {
				return nil, err
			}
		}
		ds, err := OpenIDX(p.Path(images, ""), p.Path(labelFile, ""), labels.Classes)
		return orNil(ds, err)
	},
}
