package data

import (
	"encoding/binary"
	"math"
	"os"
	"testing"

	"fasternet/internal/golden"

	"github.com/nlpodyssey/safetensors"
)

func goldenFile(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(golden.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

type goldenTensors struct {
	t testing.TB
	safetensors.SafeTensors
}

func goldenSafetensors(t testing.TB, name string) goldenTensors {
	t.Helper()
	st, err := safetensors.Deserialize(goldenFile(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return goldenTensors{t, st}
}

func (g goldenTensors) get(name string) ([]uint64, []byte) {
	g.t.Helper()
	v, ok := g.Tensor(name)
	if !ok {
		g.t.Fatalf("no golden tensor %s", name)
	}
	return v.Shape(), v.Data()
}

// image is a u8 tensor [H, W, C].
func (g goldenTensors) image(name string) *Image {
	shape, raw := g.get(name)
	return &Image{raw, int(shape[0]), int(shape[1]), int(shape[2])}
}

func (g goldenTensors) floats(name string) (shape []uint64, values []float32) {
	shape, raw := g.get(name)
	for i := 0; i < len(raw); i += 4 {
		values = append(values, math.Float32frombits(binary.LittleEndian.Uint32(raw[i:])))
	}
	return shape, values
}

func (g goldenTensors) ints(name string) (values []int) {
	_, raw := g.get(name)
	for i := 0; i < len(raw); i += 8 {
		values = append(values, int(binary.LittleEndian.Uint64(raw[i:])))
	}
	return values
}

// near fails unless the values agree within the tolerance.
func near(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range got {
		if d := math.Abs(float64(got[i]) - float64(want[i])); !(d <= tolerance) {
			t.Fatalf("%s: value %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}
