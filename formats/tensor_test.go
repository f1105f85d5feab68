package formats

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"
)

// Bytes returns the memory of the values, if it has them in the order of the file.
func TestBytesOfValues(t *testing.T) {
	for _, v := range []Tensor{
		{F32: []float32{1, -2.5, float32(math.Inf(1)), 6e-39}},
		{I64: []int64{1, -1, 1 << 40}},
		{F32: []float32{}},
		{},
	} {
		if got, want := v.Bytes(), v.encode(); !bytes.Equal(got, want) {
			t.Errorf("%+v: %v, want %v", v, got, want)
		}
	}
}

func TestType(t *testing.T) {
	for _, c := range []struct {
		t       Tensor
		want    DType
		integer bool
	}{
		{Tensor{F32: []float32{1}}, Float32, false},
		{Tensor{I64: []int64{}}, Int64, true},
		{Tensor{DType: BFloat16, F32: []float32{1}}, BFloat16, false},
		{Tensor{DType: Bool, I64: []int64{1}}, Bool, true},
	} {
		if got := c.t.Type(); got != c.want || c.t.Integer() != c.integer {
			t.Errorf("%+v: type %s, integer %v", c.t, got, c.t.Integer())
		}
	}
}

// A tensor is read from its place in the file, in each type and in pieces, whatever is around it.
func TestStored(t *testing.T) {
	for d := Float16; d <= Int64; d++ {
		const n = chunk/2 + 3 // more than a chunk of every type
		raw := make([]byte, n*d.Size())
		for i := range raw {
			raw[i] = byte(i * 7 % 61) // no NaN: half precision of 0x3c3c and below
		}
		file := slices.Concat([]byte("head"), raw, []byte("tail"))
		s := Stored{Name: "x", DType: d, Shape: []int{n}, From: 4, To: 4 + int64(len(raw))}
		if err := s.Check(d.Size()); err != nil {
			t.Fatal(err)
		}
		got, err := s.Read(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		want := d.Make("x", s.Shape, n)
		for i := range n {
			d.Set(want, i, raw[i*d.Size():])
		}
		if !slices.Equal(got.F32, want.F32) || !slices.Equal(got.I64, want.I64) || got.DType != d ||
			len(got.F32)+len(got.I64) != n {
			t.Errorf("%s: read otherwise than value by value", d)
		}
		if _, err := s.Read(bytes.NewReader(file[:len(raw)])); err == nil ||
			!strings.Contains(err.Error(), "reading value") {
			t.Errorf("%s: cut: %v", d, err)
		}
	}
}

func TestStoredCheck(t *testing.T) {
	for _, c := range []struct {
		shape []int
		bytes int64
		want  string
	}{
		{[]int{2, 3}, 24, ""},
		{[]int{}, 4, ""},
		{[]int{3, 0, 1 << 30, 1 << 30}, 0, ""},
		{[]int{0}, 4, "want 0 bytes of F32, got 4"},
		{[]int{2}, 12, "want 8 bytes of F32, got 12"},
		{[]int{2}, 4, "only 1 values"},
		{[]int{1 << 30, 1 << 30, 1 << 30}, 64, "only 16 values"},
		{[]int{-1}, 4, "want sizes from 0"},
		{[]int{0, 1 << 40}, 0, "want sizes from 0"},
		{slices.Repeat([]int{1}, 33), 4, "33 dimensions"},
	} {
		err := Stored{Type: "F32", Shape: c.shape, From: 100, To: 100 + c.bytes}.Check(4)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("shape %v of %d bytes: %v, want %q", c.shape, c.bytes, err, c.want)
		}
	}
}
