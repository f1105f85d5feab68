package data

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
)

// maxIDXBytes is the largest IDX content that is read. The largest set in use
// (EMNIST ByClass, 0.6 GB) fits.
const maxIDXBytes = 1 << 30

// IDX is a dataset in two IDX files, the format of MNIST, held in memory.
type IDX struct {
	name          string // of the image file
	pixels        []uint8
	height, width int
	labels        []uint8
	classes       []string
}

// OpenIDX reads a dataset of grey images: imagesPath is an IDX file of unsigned
// bytes [N, height, width], labelsPath one of [N], each label being an index into
// classes. The files may be compressed with gzip, whatever their names are. It is
// an error when a file is damaged or the two do not fit together.
func OpenIDX(imagesPath, labelsPath string, classes []string) (*IDX, error) {
	dims, pixels, err := readIDXFile(imagesPath)
	if err != nil {
		return nil, err
	}
	if len(dims) != 3 {
		return nil, fmt.Errorf("data: %s: %d dimensions; a file of grey images has 3 (count, height, width)",
			imagesPath, len(dims))
	}
	if len(pixels) == 0 {
		return nil, fmt.Errorf("data: %s: no images", imagesPath)
	}
	labelDims, labels, err := readIDXFile(labelsPath)
	if err != nil {
		return nil, err
	}
	if len(labelDims) != 1 {
		return nil, fmt.Errorf("data: %s: %d dimensions; a file of labels has 1", labelsPath, len(labelDims))
	}
	if len(labels) != dims[0] {
		return nil, fmt.Errorf("data: %s has %d images, but %s has %d labels; the files do not belong together",
			imagesPath, dims[0], labelsPath, len(labels))
	}
	for i, label := range labels {
		if int(label) >= len(classes) {
			return nil, fmt.Errorf("data: %s: label %d of sample %d is not below the number of classes, %d",
				labelsPath, label, i, len(classes))
		}
	}
	return &IDX{filepath.Base(imagesPath), pixels, dims[1], dims[2], labels, classes}, nil
}

// Len is the number of samples.
func (d *IDX) Len() int { return len(d.labels) }

// Classes lists the class names.
func (d *IDX) Classes() []string { return d.classes }

// Label is the class index of sample i.
func (d *IDX) Label(i int) int { return int(d.labels[i]) }

// Image is sample i, a grey image that shares the memory of the dataset.
func (d *IDX) Image(i int) (*Image, error) {
	size := d.height * d.width
	return &Image{d.pixels[i*size : (i+1)*size : (i+1)*size], d.height, d.width, 1}, nil
}

// Name is the name of the image file with the index of sample i.
func (d *IDX) Name(i int) string { return fmt.Sprintf("%s[%d]", d.name, i) }

func readIDXFile(path string) (dims []int, content []uint8, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("data: %w", err)
	}
	defer f.Close()
	dims, content, err = readIDX(f)
	if err != nil {
		return nil, nil, fmt.Errorf("data: %s: %w", path, err)
	}
	return dims, content, nil
}

// readIDX reads an IDX file of unsigned bytes: two zero bytes, the type 8, the
// number of dimensions, each dimension as a big-endian uint32, and the values,
// last index fastest.
func readIDX(r io.Reader) (dims []int, content []uint8, err error) {
	r, err = gunzipped(r)
	if err != nil {
		return nil, nil, err
	}
	var magic [4]byte
	if _, err := io.ReadFull(r, magic[:]); err != nil {
		return nil, nil, truncated("the magic number", err)
	}
	if magic[0] != 0 || magic[1] != 0 || magic[3] == 0 {
		return nil, nil, fmt.Errorf("not an IDX file: it starts with the bytes % x", magic)
	}
	if magic[2] != 8 {
		return nil, nil, fmt.Errorf("IDX type %#02x is not supported; only unsigned bytes (0x08) are", magic[2])
	}
	size := 1
	for i := range int(magic[3]) {
		var d uint32
		if err := binary.Read(r, binary.BigEndian, &d); err != nil {
			return nil, nil, truncated(fmt.Sprintf("dimension %d", i), err)
		}
		if d != 0 && size > maxIDXBytes/int(d) {
			return nil, nil, fmt.Errorf("the dimensions %v exceed the limit of %d bytes", append(dims, int(d)), maxIDXBytes)
		}
		size *= int(d)
		dims = append(dims, int(d))
	}
	// The buffer grows with what really arrives: a header can promise anything.
	var buf bytes.Buffer
	buf.Grow(min(size, 1<<20))
	if n, err := io.CopyN(&buf, r, int64(size)); err != nil {
		return nil, nil, truncated(fmt.Sprintf("value %d of %d", n, size), err)
	}
	switch n, err := io.CopyN(io.Discard, r, 1); {
	case n != 0:
		return nil, nil, fmt.Errorf("there is more data than the %d values of the dimensions %v", size, dims)
	case !errors.Is(err, io.EOF): // such as a wrong checksum of gzip
		return nil, nil, truncated("its end", err)
	}
	return dims, buf.Bytes(), nil
}

// gunzipped is r, decompressed if its content is that of gzip.
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
