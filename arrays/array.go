// Package arrays reads and writes float32 arrays in the files that numerical
// programs exchange: NumPy's .npy and safetensors.
//
// It reads files of strangers: no header can make it allocate more than a small
// multiple of what the file holds, and what it does not understand is an error.
package arrays

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"fasternet/internal/disk"

	"github.com/nlpodyssey/safetensors"
)

// Array is a float32 array in row-major order. Its values are decoded as they
// are asked for.
type Array struct {
	Shape []int
	raw   []byte // little-endian
}

// Len is the number of values.
func (a *Array) Len() int { return len(a.raw) / 4 }

// Values decodes len(dst) values from the one at index first. It panics if
// there are fewer.
func (a *Array) Values(first int, dst []float32) {
	raw := a.raw[4*first : 4*(first+len(dst))]
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
}

// IsFile reports whether the name is that of a file of arrays.
func IsFile(name string) bool { return isNPY(name) || IsSafetensors(name) }

func isNPY(name string) bool { return strings.EqualFold(filepath.Ext(name), ".npy") }

// IsSafetensors reports whether the name is that of a safetensors file.
func IsSafetensors(name string) bool { return strings.EqualFold(filepath.Ext(name), ".safetensors") }

// Read reads an array from a .npy or .safetensors file. In a safetensors file it
// is the only tensor, or else the one that is called name.
func Read(path, name string) (*Array, error) {
	raw, err := disk.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("arrays: %w", err)
	}
	var a *Array
	switch {
	case isNPY(path):
		a, err = ParseNPY(raw)
	case IsSafetensors(path):
		a, err = ParseSafetensors(raw, name)
	default:
		err = errors.New("want a file .npy or .safetensors")
	}
	if err != nil {
		return nil, fmt.Errorf("arrays: %s: %w", path, err)
	}
	return a, nil
}

// ParseSafetensors finds an array in the content of a safetensors file: the only
// tensor, or else the one that is called name.
func ParseSafetensors(raw []byte, name string) (*Array, error) {
	file, err := safetensors.Deserialize(raw)
	if err != nil {
		return nil, err
	}
	names := file.Names()
	if len(names) == 1 {
		name = names[0]
	}
	t, ok := file.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("want one tensor, or one that is called %s, among %d", name, len(names))
	}
	if t.DType() != safetensors.F32 {
		return nil, fmt.Errorf("tensor %s is of type %v: want float32 (F32)", name, t.DType())
	}
	a := &Array{Shape: make([]int, len(t.Shape())), raw: t.Data()}
	for i, d := range t.Shape() {
		a.Shape[i] = int(d)
	}
	if err := a.check(); err != nil {
		return nil, fmt.Errorf("tensor %s: %w", name, err)
	}
	return a, nil
}

// check says whether the array has sizes of at least 1, and a value for each
// place of its shape.
func (a *Array) check() error {
	n := 1
	for _, d := range a.Shape {
		if d < 1 {
			return fmt.Errorf("shape %v: want sizes of 1 or more", a.Shape)
		}
		if n > len(a.raw)/4/d {
			return fmt.Errorf("shape %v: there are only %d values of float32", a.Shape, len(a.raw)/4)
		}
		n *= d
	}
	if 4*n != len(a.raw) {
		return fmt.Errorf("shape %v: want %d bytes of float32, got %d", a.Shape, 4*n, len(a.raw))
	}
	return nil
}
