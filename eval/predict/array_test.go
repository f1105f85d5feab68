package predict

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/formats"
	"fasternet/formats/npy"
	"fasternet/internal/hostile"
)

// Checks which array of a file is read.
func TestOpenArray(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, ts ...formats.Tensor) string {
		path := filepath.Join(dir, name)
		if err := checkpoints.Write(path, checkpoints.File{Tensors: ts}); err != nil {
			t.Fatal(err)
		}
		return path
	}
	x := formats.Tensor{Name: "x", Shape: []int{2, 1, 1, 1}, F32: []float32{3, 4}}
	y := formats.Tensor{Name: "input", Shape: []int{1, 1, 1, 1}, F32: []float32{5}}
	n := formats.Tensor{Name: "labels", Shape: []int{1}, I64: []int64{5}}
	for _, c := range []struct {
		path string
		want string
	}{
		{write("one.safetensors", x), "[2 1 1 1] 3"},
		{write("two.safetensors", x, y, n), "[1 1 1 1] 5"},
		{write("int.safetensors", n), "tensor labels is of type I64"},
		{write("which.safetensors", x, n), "2 tensors: want one, or one that is called input"},
		{write("empty.safetensors", formats.Tensor{Name: "x", Shape: []int{0, 1, 1, 1}, F32: []float32{}}),
			"want every size to be 1 or more"},
		{write("flat.safetensors", formats.Tensor{Name: "x", Shape: []int{2}, F32: []float32{1, 2}}),
			"want [images, 1 channels, height, width]"},
		{filepath.Join(dir, "none.npy"), "no such file"},
		{write("x.txt", x), "want a name that ends in .npy or .safetensors"},
	} {
		a, err := openArray(c.path, 1)
		got := fmt.Sprint(err)
		if err == nil {
			v := make([]float32, 1)
			if err := a.values(0, v); err != nil {
				t.Fatal(err)
			}
			got = fmt.Sprint(a.Shape, v[0])
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", filepath.Base(c.path), got, c.want)
		}
	}
}

// The values of a file are read when they are asked for, even of a large file. A file
// that has changed since is an error.
func TestValuesStayInTheFile(t *testing.T) {
	const n = 1 << 20
	dir := t.TempDir()
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(i)
	}
	numpy, tensors := filepath.Join(dir, "a.npy"), filepath.Join(dir, "a.safetensors")
	f, err := os.Create(numpy)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := npy.Write(f, []int{n, 1, 1, 1}, values); err != nil {
		t.Fatal(err)
	}
	file := checkpoints.File{Tensors: []formats.Tensor{{Name: "x", Shape: []int{n, 1, 1, 1}, F32: values}}}
	if err := checkpoints.Write(tensors, file); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{numpy, tensors} {
		var a *array
		hostile.Bound(t, 1<<20, func() {
			if a, err = openArray(path, 1); err != nil {
				t.Fatal(err)
			}
			some := make([]float32, 1<<15)
			for _, first := range []int{0, 12345, n - len(some)} {
				if err := a.values(first, some); err != nil || !slices.Equal(some, values[first:first+len(some)]) {
					t.Fatalf("%s: from %d on: %v …, %v", path, first, some[:3], err)
				}
			}
		})
		if a.Size() != n {
			t.Errorf("%s: %d values", path, a.Size())
		}
		if err := os.Truncate(path, n); err != nil {
			t.Fatal(err)
		}
		if err := a.values(n-3, make([]float32, 3)); err == nil {
			t.Errorf("%s: values beyond the end of a file that was cut", path)
		}
	}
}
