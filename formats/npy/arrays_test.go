package npy_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/formats/npy"
	"fasternet/internal/hostile"
)

func ExampleParseNPY() {
	var file bytes.Buffer
	if err := npy.WriteNPY(&file, []int{2, 3}, []float32{1, 2, 3, 4, 5, 6}); err != nil {
		fmt.Println(err)
		return
	}
	a, err := npy.ParseNPY(file.Bytes())
	if err != nil {
		fmt.Println(err)
		return
	}
	row := make([]float32, 3)
	a.Values(3, row)
	fmt.Println(a.Shape, row)
	// Output: [2 3] [4 5 6]
}

// npyFile is a .npy file with the given header and n zero bytes of values.
func npyFile(version byte, header string, n int) []byte {
	out := append([]byte("\x93NUMPY"), version, 0)
	if version == 1 {
		out = binary.LittleEndian.AppendUint16(out, uint16(len(header)))
	} else {
		out = binary.LittleEndian.AppendUint32(out, uint32(len(header)))
	}
	return append(append(out, header...), make([]byte, n)...)
}

func dict(descr, order, shape string) string {
	return "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }"
}

// What NumPy writes, and other forms of the same literal.
func TestNPYForms(t *testing.T) {
	for _, c := range []struct {
		raw   []byte
		shape []int
	}{
		{npyFile(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }          \n", 24), []int{2, 3}},
		{npyFile(2, dict("'<f4'", "False", "(2,)"), 8), []int{2}},
		{npyFile(3, dict(`"<f4"`, "False", "()"), 4), []int{}},
		{npyFile(1, "{\"shape\":(1,1,2,1),\"fortran_order\":False,\"descr\":\"<f4\"}", 8), []int{1, 1, 2, 1}},
		{npyFile(1, dict("'<f4'", "True", "(2,)"), 8), []int{2}}, // of one axis the order says nothing
	} {
		a, err := npy.ParseNPY(c.raw)
		if err != nil || !slices.Equal(a.Shape, c.shape) {
			t.Errorf("%q: %v, %v", c.raw, a, err)
		}
	}
}

func TestBadNPY(t *testing.T) {
	good := dict("'<f4'", "False", "(2,)")
	for _, c := range []struct {
		raw  []byte
		want string
	}{
		{nil, "not a .npy file"},
		{[]byte("\x93NUMPY\x01\x00"), "not a .npy file"},
		{[]byte("PK\x03\x04 and more of a zip"), "not a .npy file"},
		{npyFile(1, good, 8)[:40], "truncated"},
		{[]byte("\x93NUMPY\x02\x00\xff\xff\xff\xff"), "a header of 4294967295 bytes"},
		{[]byte("\x93NUMPY\x02\x00\xff"), "not a .npy file"},
		{npyFile(4, good, 8), "version 4"},
		{npyFile(1, good, 4), "only 1 values"},
		{npyFile(1, good, 12), "want 8 bytes of float32, got 12"},
		{npyFile(1, dict("'<f8'", "False", "(2,)"), 16), `type "<f8"`},
		{npyFile(1, dict("'>f4'", "False", "(2,)"), 8), `type ">f4"`},
		{npyFile(1, dict("'|O'", "False", "(2,)"), 8), `type "|O"`},
		{npyFile(1, dict("[('a', '<f4')]", "False", "(2,)"), 8), "records"},
		{npyFile(1, dict("'<f4'", "True", "(1, 2)"), 8), "Fortran order"},
		{npyFile(1, dict("'<f4'", "0", "(2,)"), 8), "True or False"},
		{npyFile(1, dict("'<f4'", "False", "(-2,)"), 8), "not negative"},
		{npyFile(1, dict("'<f4'", "False", "(0, 9223372036854775807)"), 0), "want sizes of 1 or more"},
		{npyFile(1, dict("'<f4'", "False", "(4294967296, 4294967296)"), 0), "only 0 values"},
		{npyFile(1, dict("'<f4'", "False", "(99999999999999999999,)"), 8), "fit"},
		{npyFile(1, dict("'<f4'", "False", "("+strings.Repeat("1,", 40)+")"), 4), "at most 32"},
		{npyFile(1, dict("'<f4'", "False", "2"), 8), "tuple"},
		{npyFile(1, dict("'<f4'", "False", "(2"), 8), "shape"},
		{npyFile(1, "{'descr': '<f4', 'descr': '<f4'}", 8), "once"},
		{npyFile(1, "{'descr': '<f4'}", 8), "want the keys"},
		{npyFile(1, "{'descr': '<f4', 'x': 1}", 8), "unknown key"},
		{npyFile(1, good+" import os", 8), "more after the dict"},
		{npyFile(1, "", 8), "want a dict"},
		{npyFile(1, "{", 8), "string"},
		{npyFile(1, "{'descr", 8), "does not end"},
	} {
		if a, err := npy.ParseNPY(c.raw); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, %v; want an error with %q", c.raw, a, err, c.want)
		}
	}
}

func TestSafetensors(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, ts ...checkpoints.Tensor) string {
		path := filepath.Join(dir, name)
		if err := checkpoints.Write(path, checkpoints.File{Tensors: ts}); err != nil {
			t.Fatal(err)
		}
		return path
	}
	x := checkpoints.Tensor{Name: "x", Shape: []int{2, 1}, F32: []float32{3, 4}}
	y := checkpoints.Tensor{Name: "input", Shape: []int{1}, F32: []float32{5}}
	n := checkpoints.Tensor{Name: "labels", Shape: []int{1}, I64: []int64{5}}
	for _, c := range []struct {
		path string
		want string
	}{
		{write("one.safetensors", x), "[2 1] 3"},
		{write("two.safetensors", x, y), "[1] 5"},
		{write("int.safetensors", n), "tensor labels is of type I64"},
		{write("which.safetensors", x, n), "called input, among 2"},
		{write("empty.safetensors", checkpoints.Tensor{Name: "x", Shape: []int{0, 3}, F32: []float32{}}), "want sizes of 1 or more"},
		{filepath.Join(dir, "none.npy"), "no such file"},
		{write("x.txt", x), "want a file .npy or .safetensors"},
	} {
		a, err := npy.Read(c.path, "input")
		got := fmt.Sprint(err)
		if err == nil {
			v := make([]float32, 1)
			if err := a.Values(0, v); err != nil {
				t.Fatal(err)
			}
			got = fmt.Sprint(a.Shape, v[0])
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", filepath.Base(c.path), got, c.want)
		}
	}
	raw, err := os.ReadFile(filepath.Join(dir, "one.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	for n := range raw {
		if _, err := npy.ParseSafetensors(raw[:n], ""); err == nil {
			t.Errorf("the first %d of %d bytes are accepted", n, len(raw))
		}
	}
}

func TestWriteNPY(t *testing.T) {
	for _, shape := range [][]int{{}, {1}, {2, 1}, {1, 2, 3, 1}, {3, 1 << 14}} {
		n := 1
		for _, d := range shape {
			n *= d
		}
		values := make([]float32, n)
		for i := range values {
			values[i] = float32(math.Sqrt(float64(i)))
		}
		var b bytes.Buffer
		if err := npy.WriteNPY(&b, shape, values); err != nil {
			t.Fatal(err)
		}
		a, err := npy.ParseNPY(b.Bytes())
		if err != nil {
			t.Fatalf("%q: %v", b.Bytes(), err)
		}
		got := make([]float32, n)
		a.Values(0, got)
		if !slices.Equal(a.Shape, shape) || !slices.Equal(got, values) || a.Len() != n || (b.Len()-4*n)%64 != 0 {
			t.Errorf("shape %v: read %v %v, the header has %d bytes", shape, a.Shape, got, b.Len()-4*n)
		}
	}
	if err := npy.WriteNPY(&bytes.Buffer{}, []int{3}, nil); err == nil {
		t.Error("a wrong shape is accepted")
	}
}

// No content makes the parsers panic, or return an array without its values.
func FuzzParse(f *testing.F) {
	f.Add(npyFile(1, dict("'<f4'", "False", "(1, 2)"), 8))
	f.Add(npyFile(2, dict("'<f4'", "False", "(4294967296, 4294967296)"), 0))
	f.Add([]byte("\x93NUMPY\x02\x00\xff\xff\xff\xff{"))
	f.Add([]byte("\x60\x00\x00\x00\x00\x00\x00\x00" + `{"input":{"dtype":"F32","shape":[1,18446744073709551615],"data_offsets":[0,18446744073709551612]}}`))
	f.Add([]byte("\x3f\x00\x00\x00\x00\x00\x00\x00" + `{"input":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}   12345678`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, parse := range []func() (*npy.Array, error){
			func() (*npy.Array, error) { return npy.ParseNPY(raw) },
			func() (*npy.Array, error) { return npy.ParseSafetensors(raw, "input") },
		} {
			var a *npy.Array
			var err error
			hostile.Bound(t, 1<<20+200*len(raw), func() { a, err = parse() })
			if err != nil {
				continue
			}
			n := 1
			for _, d := range a.Shape {
				n *= d
			}
			if n != a.Len() || 4*n > len(raw) {
				t.Fatalf("shape %v, %d values, %d bytes", a.Shape, a.Len(), len(raw))
			}
			if err := a.Values(0, make([]float32, n)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// The values of a file are read as they are asked for, however large it is, and a file
// that has changed meanwhile is an error.
func TestValuesStayInTheFile(t *testing.T) {
	const n = 1 << 20
	dir := t.TempDir()
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(i)
	}
	array, tensors := filepath.Join(dir, "a.npy"), filepath.Join(dir, "a.safetensors")
	f, err := os.Create(array)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := npy.WriteNPY(f, []int{n}, values); err != nil {
		t.Fatal(err)
	}
	if err := checkpoints.Write(tensors, checkpoints.File{Tensors: []checkpoints.Tensor{{Name: "x", Shape: []int{n}, F32: values}}}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{array, tensors} {
		var a *npy.Array
		hostile.Bound(t, 1<<20, func() {
			if a, err = npy.Read(path, ""); err != nil {
				t.Fatal(err)
			}
			some := make([]float32, 1<<15)
			for _, first := range []int{0, 12345, n - len(some)} {
				if err := a.Values(first, some); err != nil || !slices.Equal(some, values[first:first+len(some)]) {
					t.Fatalf("%s: from %d on: %v …, %v", path, first, some[:3], err)
				}
			}
		})
		if a.Len() != n {
			t.Errorf("%s: %d values", path, a.Len())
		}
		if err := os.Truncate(path, n); err != nil {
			t.Fatal(err)
		}
		if err := a.Values(n-3, make([]float32, 3)); err == nil {
			t.Errorf("%s: values beyond the end of a file that was cut", path)
		}
	}
}
