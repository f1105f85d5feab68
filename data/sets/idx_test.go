package sets

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"path/filepath"
	"slices"
	"testing"

	"fasternet/data/picture"
	"fasternet/internal/datatest"
	"fasternet/internal/hostile"
)

// idxFile returns an IDX file of unsigned bytes.
func idxFile(content []uint8, dims ...int) []byte {
	b := []byte{0, 0, 8, uint8(len(dims))}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, uint32(d))
	}
	return append(b, content...)
}

func gzipped(content []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(content)
	z.Close()
	return b.Bytes()
}

func TestReadIDX(t *testing.T) {
	plain := idxFile([]uint8{1, 2, 3, 4, 5, 6}, 3, 2)
	for _, c := range []struct {
		name string
		file []byte
	}{{"plain", plain}, {"gzip", gzipped(plain)}} {
		t.Run(c.name, func(t *testing.T) {
			dims, _, content, err := readIDX(bytes.NewReader(c.file))
			if err != nil || !slices.Equal(dims, []int{3, 2}) || !slices.Equal(content, []uint8{1, 2, 3, 4, 5, 6}) {
				t.Errorf("%s: %v %v %v", c.name, dims, content, err)
			}
		})
	}
}

func TestReadIDXErrors(t *testing.T) {
	good := idxFile([]uint8{1, 2, 3, 4}, 2, 2)
	compressed := gzipped(good)
	wrongSum := bytes.Clone(compressed)
	wrongSum[len(wrongSum)-8] ^= 1
	for _, test := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "truncated at the magic number"},
		{"another file", []byte("\x89PNG\r\n"), "not an IDX file: it starts with the bytes 89 50 4e 47"},
		{"no dimensions", []byte{0, 0, 8, 0}, "not an IDX file"},
		{"floats", []byte{0, 0, 13, 1, 0, 0, 0, 1}, "type 0x0d is not supported"},
		{"cut dimension", good[:10], "truncated at dimension 1"},
		{"cut data", good[:len(good)-1], "truncated at value 3 of 4"},
		{"cut gzip header", compressed[:5], "truncated at the gzip header"},
		{"cut gzip", compressed[:len(compressed)-12], "truncated"},
		{"cut gzip checksum", compressed[:len(compressed)-3], "truncated at its end"},
		{"gzip checksum", wrongSum, "checksum"},
		{"trailing data", append(bytes.Clone(good), 0), "more data than the 4 values"},
		{"huge", idxFile(nil, 1<<20, 1<<20), "exceed the limit of 1073741824 bytes"},
		{"overflowing", idxFile(nil, 1<<31, 1<<31, 1<<31, 1<<31), "exceed the limit"},
		{"promising much", idxFile(nil, 1<<30), "truncated at value 0 of 1073741824"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, _, err := readIDX(bytes.NewReader(test.file))
			if err == nil {
				t.Errorf("%s: no error", test.name)
				return
			}
			datatest.WantError(t, err, test.want)
		})
	}
}

// FuzzReadIDX checks that the content has the size of the dimensions, and that memory is only used
// for data that the input really has.
func FuzzReadIDX(f *testing.F) {
	f.Add(idxFile([]uint8{1, 2, 3, 4}, 2, 2))
	f.Fuzz(func(t *testing.T, file []byte) {
		var dims []int
		var kind uint8
		var content []uint8
		var err error
		hostile.Bound(t, 4<<20+4*1032*len(file), func() { dims, kind, content, err = readIDX(bytes.NewReader(file)) })
		if err != nil {
			return
		}
		size := idxIntegers[kind]
		for _, d := range dims {
			size *= d
		}
		if len(dims) == 0 || len(content) != size {
			t.Errorf("dimensions %v of type %#x with %d bytes", dims, kind, len(content))
		}
		if compressed := len(file) > 1 && file[0] == 0x1f; !compressed && len(content) > len(file) {
			t.Errorf("%d bytes from a file of %d", len(content), len(file))
		}
	})
}

var twoClasses = []string{"a", "b"}

func TestOpenIDX(t *testing.T) {
	dir := t.TempDir()
	images, labels := filepath.Join(dir, "images"), filepath.Join(dir, "labels")
	datatest.WriteFile(t, images, gzipped(idxFile([]uint8{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 2, 2, 3)))
	datatest.WriteFile(t, labels, idxFile([]uint8{1, 0}, 2))
	d, err := OpenIDX(images, labels, twoClasses)
	if err != nil {
		t.Fatal(err)
	}
	if d.Len() != 2 || d.Label(0) != 1 || d.Label(1) != 0 || d.Name(1) != "images[1]" ||
		!slices.Equal(d.Classes(), twoClasses) {
		t.Errorf("dataset is %+v", d)
	}
	m, err := d.Image(1)
	if err != nil {
		t.Fatal(err)
	}
	datatest.SameImage(t, "image 1", m,
		&picture.Image{Pix: []uint8{7, 8, 9, 10, 11, 12}, Height: 2, Width: 3, Channels: 1})
}

func TestOpenIDXErrors(t *testing.T) {
	goodImages, goodLabels := idxFile(make([]uint8, 12), 3, 2, 2), idxFile([]uint8{0, 1, 0}, 3)
	for _, test := range []struct {
		name           string
		images, labels []byte
		inLabels       bool // the error names the file of labels
		want           string
	}{
		{"no images file", nil, goodLabels, false, "no such file"},
		{"no labels file", goodImages, nil, true, "no such file"},
		{"damaged images", goodImages[:20], goodLabels, false, "truncated"},
		{"damaged labels", goodImages, goodLabels[:10], true, "truncated"},
		{"swapped files", goodLabels, goodImages, false, "1 dimensions; a file of grey images has 3"},
		{"twice the images", goodImages, goodImages, true, "a file of labels has one"},
		{"zero images", idxFile(nil, 0, 2, 2), idxFile(nil, 0), false, "no images"},
		{"zero size", idxFile(nil, 3, 0, 2), goodLabels, false, "no images"},
		{"counts", goodImages, idxFile([]uint8{0, 1}, 2), true, "has 3 images, but"},
		{
			"label", goodImages, idxFile([]uint8{0, 2, 0}, 3), true,
			"label 2 of sample 1 is not below the number of classes, 2",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			images, labels := filepath.Join(dir, "images"), filepath.Join(dir, "labels")
			if test.images != nil {
				datatest.WriteFile(t, images, test.images)
			}
			if test.labels != nil {
				datatest.WriteFile(t, labels, test.labels)
			}
			_, err := OpenIDX(images, labels, twoClasses)
			if err == nil {
				t.Errorf("%s: no error", test.name)
				return
			}
			datatest.WantError(t, err, test.want)
			if test.inLabels {
				datatest.WantError(t, err, labels)
			} else {
				datatest.WantError(t, err, images)
			}
		})
	}
}
