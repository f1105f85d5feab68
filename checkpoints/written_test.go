package checkpoints_test

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"fasternet/checkpoints"
	"fasternet/formats"
)

// A checkpoint of an earlier version can be read, and is written again to the same bytes.
func TestEarlierVersion(t *testing.T) {
	const path = "testdata/written.safetensors"
	f, err := checkpoints.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	want := checkpoints.File{
		Meta: map[string]string{
			"config": "model: {embed_dim: 8}\n",
			"text":   "ä <&> \"q\"",
			"format": "fasternet-checkpoint",
		},
		Tensors: []formats.Tensor{ // in the order of the file
			{Name: "a <&>", DType: formats.Int64, Shape: []int{1, 1}, I64: []int64{-7}},
			{Name: "norm.num_batches_tracked", DType: formats.Int64, Shape: []int{}, I64: []int64{1 << 40}},
			{Name: "empty", DType: formats.Float32, Shape: []int{0, 4}, F32: []float32{}},
			{Name: "head.bias", DType: formats.Float32, Shape: []int{2}, F32: []float32{0.5, -1}},
			{
				Name:  "stages.0.w",
				DType: formats.Float32,
				Shape: []int{2, 3},
				F32:   []float32{1, -2.5, float32(math.Inf(1)), 6e-39, 0, -0.25},
			},
		},
	}
	if !reflect.DeepEqual(*f, want) {
		t.Errorf("read %+v", *f)
	}
	again := filepath.Join(t.TempDir(), "again.safetensors")
	if err := checkpoints.Write(again, *f); err != nil {
		t.Fatal(err)
	}
	old, err1 := os.ReadFile(path)
	now, err2 := os.ReadFile(again)
	if err1 != nil || err2 != nil || !bytes.Equal(old, now) {
		t.Errorf("%v, %v: the bytes differ:\n%q\n%q", err1, err2, old, now)
	}
}
