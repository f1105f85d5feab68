// Package npy reads and writes float32 arrays in the files that numerical
// programs exchange: NumPy's .npy and safetensors.
//
// It reads files of strangers: no header can make it allocate more than a small
// multiple of what the file holds, and what it does not understand is an error.
package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"

	"fasternet/internal/disk"
)

// Array is a float32 array in row-major order. Its values stay in the file and are read
// as they are asked for.
type Array struct {
	Shape []int

	path    string
	content io.ReaderAt // nil of a file, which is opened for each reading
	first   int64       // where the values begin
	bytes   int64       // that they take
}

// Len is the number of values.
func (a *Array) Len() int { return int(a.bytes / 4) }

// Values reads len(dst) values from the one at index first. It panics if there are
// fewer. The error says that the file is not what it was any more.
func (a *Array) Values(first int, dst []float32) error {
	if first < 0 || first+len(dst) > a.Len() {
		panic(fmt.Sprintf("arrays: values %d to %d of %d", first, first+len(dst), a.Len()))
	}
	from := a.content
	if from == nil {
		f, err := disk.Open(a.path)
		if err != nil {
			return err
		}
		defer f.Close()
		from = f
	}
	const chunk = 1 << 14 // values
	raw := make([]byte, 4*min(chunk, len(dst)))
	for len(dst) > 0 {
		n := min(chunk, len(dst))
		if _, err := from.ReadAt(raw[:4*n], a.first+4*int64(first)); err != nil {
			return fmt.Errorf("reading value %d: %w", first, err)
		}
		for i := range dst[:n] {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		first, dst = first+n, dst[n:]
	}
	return nil
}

// IsFile reports whether the name is that of a file of arrays.
func IsFile(name string) bool { return isNPY(name) || IsSafetensors(name) }

func isNPY(name string) bool { return strings.EqualFold(filepath.Ext(name), ".npy") }

// IsSafetensors reports whether the name is that of a safetensors file.
func IsSafetensors(name string) bool { return strings.EqualFold(filepath.Ext(name), ".safetensors") }

// Read reads what array a .npy or .safetensors file has, but not its values. In a
// safetensors file it is the only tensor, or else the one that is called name.
func Read(path, name string) (*Array, error) {
	f, err := disk.Open(path)
	if err != nil {
		return nil, fmt.Errorf("arrays: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("arrays: %w", err)
	}
	var a *Array
	switch {
	case isNPY(path):
		a, err = parseNPY(f, info.Size())
	case IsSafetensors(path):
		a, err = parseSafetensors(f, info.Size(), name)
	default:
		err = errors.New("want a file .npy or .safetensors")
	}
	if err != nil {
		return nil, fmt.Errorf("arrays: %s: %w", path, err)
	}
	a.path, a.content = path, nil
	return a, nil
}

// check says whether the array has sizes of at least 1, and a value for each
// place of its shape.
func (a *Array) check() error {
	n, there := int64(1), a.bytes/4
	for _, d := range a.Shape {
		if d < 1 {
			return fmt.Errorf("shape %v: want sizes of 1 or more", a.Shape)
		}
		if n > there/int64(d) {
			return fmt.Errorf("shape %v: there are only %d values of float32", a.Shape, there)
		}
		n *= int64(d)
	}
	if 4*n != a.bytes {
		return fmt.Errorf("shape %v: want %d bytes of float32, got %d", a.Shape, 4*n, a.bytes)
	}
	return nil
}
