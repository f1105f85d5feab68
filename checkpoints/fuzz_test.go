package checkpoints

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"fasternet/formats"
	"fasternet/internal/hostile"
)

// No input makes the reader panic, take too much memory, or return a tensor without values. What it reads
// can be written and read again.
func FuzzParse(f *testing.F) {
	dir := f.TempDir()
	path := filepath.Join(dir, "a.safetensors")
	for _, c := range []File{
		{},
		{
			Meta: map[string]string{"a": "b"},
			Tensors: []formats.Tensor{
				{Name: "w", Shape: []int{2, 1}, F32: []float32{1, 2}},
				{Name: "n", Shape: []int{}, I64: []int64{3}},
			},
		},
	} {
		if err := Write(path, c); err != nil {
			f.Fatal(err)
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		f.Add(raw[:len(raw)-1])
	}
	for _, header := range []string{
		`{"w":{"dtype":"F32","shape":[0,9223372036854775808],"data_offsets":[0,0]}}`,
		`{"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`,
		`{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`,
		`{"w":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}` +
			"12345678",
	} {
		f.Add(append([]byte{byte(len(header)), 0, 0, 0, 0, 0, 0, 0}, header...))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var c *File
		var err error
		hostile.Bound(t, 1<<20+200*len(raw), func() { c, err = parse(bytes.NewReader(raw), int64(len(raw)), false) })
		if err != nil {
			return
		}
		for _, x := range c.Tensors {
			n := 1
			for _, d := range x.Shape {
				if d < 0 {
					t.Fatalf("tensor %s has shape %v", x.Name, x.Shape)
				}
				n *= d
			}
			if n != len(x.F32)+len(x.I64) || n > len(raw) {
				t.Fatalf("tensor %s of shape %v has %d values", x.Name, x.Shape, len(x.F32)+len(x.I64))
			}
		}
		again := filepath.Join(t.TempDir(), "again.safetensors")
		if err := Write(again, *c); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		back, err := Read(again)
		if err != nil || len(back.Tensors) != len(c.Tensors) {
			t.Fatalf("what was read and written cannot be read: %v", err)
		}
	})
}
