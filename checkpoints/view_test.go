package checkpoints

import (
	"bytes"
	"math"
	"path/filepath"
	"runtime"
	"testing"
)

func TestBytesOfValues(t *testing.T) {
	for _, v := range []Tensor{
		{F32: []float32{1, -2.5, float32(math.Inf(1)), 6e-39}},
		{I64: []int64{1, -1, 1 << 40}},
		{F32: []float32{}},
		{},
	} {
		if got, want := (view{v}).Data(), (view{v}).encode(); !bytes.Equal(got, want) {
			t.Errorf("%+v: %v, want %v", v, got, want)
		}
	}
}

// A checkpoint is as large as the model and its optimizer: writing one copies none of it.
func TestWriteCopiesNothing(t *testing.T) {
	const values = 8 << 20
	f := File{Tensors: []Tensor{{Name: "w", Shape: []int{values}, F32: make([]float32, values)}}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := Write(filepath.Join(t.TempDir(), "a.safetensors"), f); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > values {
		t.Errorf("%d bytes allocated for %d bytes of values", n, 4*values)
	}
}
