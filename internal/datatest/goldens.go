package datatest

import (
	"encoding/binary"
	"math"
	"os"
	"testing"

	"fasternet/internal/golden"

	"github.com/nlpodyssey/safetensors"
)

// GoldenFile reads a golden file.
func GoldenFile(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(golden.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// Tensors holds the tensors of a golden file.
type Tensors struct {
	t testing.TB
	safetensors.SafeTensors
}

// Goldens reads a golden file of tensors.
func Goldens(t testing.TB, name string) Tensors {
	t.Helper()
	st, err := safetensors.Deserialize(GoldenFile(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return Tensors{t, st}
}

// Get returns a tensor of the file.
func (g Tensors) Get(name string) ([]uint64, []byte) {
	g.t.Helper()
	v, ok := g.Tensor(name)
	if !ok {
		g.t.Fatalf("no golden tensor %s", name)
	}
	return v.Shape(), v.Data()
}

// GoldenImage returns a u8 tensor [H, W, C] as an image.
func GoldenImage[I Pixels](g Tensors, name string) *I {
	g.t.Helper()
	shape, raw := g.Get(name)
	m := I(pixels{raw, int(shape[0]), int(shape[1]), int(shape[2])})
	return &m
}

// Floats returns a tensor of the file as float32.
func (g Tensors) Floats(name string) (shape []uint64, values []float32) {
	shape, raw := g.Get(name)
	for i := 0; i < len(raw); i += 4 {
		values = append(values, math.Float32frombits(binary.LittleEndian.Uint32(raw[i:])))
	}
	return shape, values
}

// Ints returns a tensor of the file as integers.
func (g Tensors) Ints(name string) (values []int) {
	_, raw := g.Get(name)
	for i := 0; i < len(raw); i += 8 {
		values = append(values, int(binary.LittleEndian.Uint64(raw[i:])))
	}
	return values
}
