package predict

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"fasternet/formats"
	"fasternet/formats/npy"
	"fasternet/formats/safetensors"
	"fasternet/internal/disk"
)

// array is an array of images [n, channels, height, width] in a file. Its values are read when
// they are needed.
type array struct {
	path string
	formats.Stored
}

// inputTensor is the tensor to read from a safetensors file that has several.
const inputTensor = "input"

// isArray reports whether the name is a file of arrays.
func isArray(name string) bool { return npy.IsFile(name) || safetensors.IsFile(name) }

// openArray finds the array in a file and checks its shape.
func openArray(path string, channels int) (*array, error) {
	f, size, err := disk.OpenSize(path)
	if err != nil {
		return nil, fmt.Errorf("predict: %w", err)
	}
	defer f.Close()
	a := &array{path: path}
	switch {
	case npy.IsFile(path):
		a.Stored, err = npy.ReadLayout(f, size)
	case safetensors.IsFile(path):
		a.Stored, err = findInput(f, size)
	default:
		err = errors.New("want a name that ends in .npy or .safetensors")
	}
	if err == nil && slices.Contains(a.Shape, 0) {
		err = fmt.Errorf("shape %v: want every size to be 1 or more", a.Shape)
	}
	if err == nil && (len(a.Shape) != 4 || a.Shape[1] != channels) {
		err = fmt.Errorf("shape %v: want [images, %d channels, height, width]", a.Shape, channels)
	}
	if err != nil {
		return nil, fmt.Errorf("predict: %s: %w", path, err)
	}
	return a, nil
}

// findInput finds the only tensor of a safetensors file, or the one called input.
func findInput(f *os.File, size int64) (formats.Stored, error) {
	l, err := safetensors.ReadLayout(f, size)
	if err != nil {
		return formats.Stored{}, err
	}
	i := slices.IndexFunc(l.Tensors, func(t formats.Stored) bool {
		return t.Name == inputTensor || len(l.Tensors) == 1
	})
	switch {
	case i < 0:
		return formats.Stored{}, fmt.Errorf("%d tensors: want one, or one that is called %s",
			len(l.Tensors), inputTensor)
	case l.Tensors[i].DType != formats.Float32:
		return formats.Stored{}, fmt.Errorf("tensor %s is of type %s: want float32 (F32)",
			formats.Short(l.Tensors[i].Name), formats.Short(l.Tensors[i].Type))
	}
	return l.Tensors[i], nil
}

// values reads len(dst) values, starting at index first.
func (a *array) values(first int, dst []float32) error {
	f, err := disk.Open(a.path)
	if err != nil {
		return err
	}
	defer f.Close()
	return a.Floats(f, first, dst)
}
