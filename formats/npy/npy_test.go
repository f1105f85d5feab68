package npy_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/formats"
	"fasternet/formats/npy"
	"fasternet/internal/hostile"
)

func ExampleReadFile() {
	dir, _ := os.MkdirTemp("", "example")
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "x.npy")
	f, err := os.Create(path)
	if err == nil {
		err = errors.Join(npy.Write(f, []int{2, 3}, []float32{1, 2, 3, 4, 5, 6}), f.Close())
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	x, err := npy.ReadFile(path)
	fmt.Println(x.Shape, x.F32, err)
	// Output: [2 3] [1 2 3 4 5 6] <nil>
}

func layout(raw []byte) (formats.Stored, error) {
	return npy.ReadLayout(bytes.NewReader(raw), int64(len(raw)))
}

// npyFile returns a .npy file with this header and n zero bytes of values.
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

// Headers are read as NumPy writes them, and in other forms of the same literal.
func TestNPYForms(t *testing.T) {
	for _, c := range []struct {
		raw   []byte
		shape []int
	}{
		{npyFile(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }          \n", 24), []int{2, 3}},
		{npyFile(2, dict("'<f4'", "False", "(2,)"), 8), []int{2}},
		{npyFile(3, dict(`"<f4"`, "False", "()"), 4), []int{}},
		{npyFile(1, "{\"shape\":(1,1,2,1),\"fortran_order\":False,\"descr\":\"<f4\"}", 8), []int{1, 1, 2, 1}},
		{npyFile(1, dict("'<f4'", "True", "(2,)"), 8), []int{2}}, // with one axis the order does not matter
	} {
		a, err := layout(c.raw)
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
		{npyFile(1, dict("[('a', '<f4')]", "False", "(2,)"), 8), "structured arrays are not supported"},
		{npyFile(1, dict("'<f4'", "True", "(1, 2)"), 8), "Fortran order"},
		{npyFile(1, dict("'<f4'", "0", "(2,)"), 8), "True or False"},
		{npyFile(1, dict("'<f4'", "False", "(-2,)"), 8), "not negative"},
		{npyFile(1, dict("'<f4'", "False", "(0, 9223372036854775807)"), 0), "want sizes from 0"},
		{npyFile(1, dict("'<f4'", "False", "(4294967296, 4294967296)"), 0), "want sizes from 0"},
		{npyFile(1, dict("'<f4'", "False", "(65536, 65536)"), 0), "only 0 values"},
		{npyFile(1, dict("'<f4'", "False", "(99999999999999999999,)"), 8), "not too large"},
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
		if a, err := layout(c.raw); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, %v; want an error with %q", c.raw, a, err, c.want)
		}
	}
}

func TestWrite(t *testing.T) {
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
		if err := npy.Write(&b, shape, values); err != nil {
			t.Fatal(err)
		}
		a, err := layout(b.Bytes())
		if err != nil {
			t.Fatalf("%q: %v", b.Bytes(), err)
		}
		got, err := a.Read(bytes.NewReader(b.Bytes()))
		if err != nil || !slices.Equal(a.Shape, shape) || !slices.Equal(got.F32, values) ||
			a.Size() != n || (b.Len()-4*n)%64 != 0 {
			t.Errorf("shape %v: read %v %v, the header has %d bytes", shape, a.Shape, got.F32, b.Len()-4*n)
		}
	}
	if err := npy.Write(&bytes.Buffer{}, []int{3}, nil); err == nil {
		t.Error("a wrong shape is accepted")
	}
}

// No content makes the parser panic, or return an array without its values.
func FuzzParse(f *testing.F) {
	f.Add(npyFile(1, dict("'<f4'", "False", "(1, 2)"), 8))
	f.Add(npyFile(2, dict("'<f4'", "False", "(4294967296, 4294967296)"), 0))
	f.Add([]byte("\x93NUMPY\x02\x00\xff\xff\xff\xff{"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var a formats.Stored
		var err error
		hostile.Bound(t, 1<<20+200*len(raw), func() { a, err = layout(raw) })
		if err != nil {
			return
		}
		x, err := a.Read(bytes.NewReader(raw))
		if err != nil || x.Size() != len(x.F32) || 4*len(x.F32) > len(raw) {
			t.Fatalf("shape %v, %d values, %d bytes; %v", a.Shape, len(x.F32), len(raw), err)
		}
	})
}
