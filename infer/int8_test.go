package infer_test

import (
	"context"
	"image"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"fasternet/export"
	"fasternet/export/quantise"
	"fasternet/graph"
	"fasternet/internal/golden"
	"fasternet/internal/modeltest"
	"fasternet/kernels"
	"fasternet/model"
)

// A model in 8 bits works like any other: the same logits from both formats, one at a time and many at a
// time.
func TestInt8(t *testing.T) {
	for _, f := range modeltest.Families {
		t.Run(f.Name, func(t *testing.T) { testInt8(t, f) })
	}
}

// inInt8 makes a small model of a family in 8 bits.
func inInt8(t *testing.T, f modeltest.Family) *model.Loaded {
	t.Helper()
	l, err := model.Load(modeltest.Write(t, f))
	if err != nil {
		t.Fatal(err)
	}
	size, n := l.Config.Data.ImageSize, 40
	q, err := quantise.Run(l.Config, l.Model, quantise.Images{
		Data:     golden.Image("calibration", 1, n*size*size*l.Model.Channels()),
		Count:    n,
		Height:   size,
		Width:    size,
		Channels: l.Model.Channels(),
	}, quantise.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l.Model = q.Model
	return l
}

// writeInt8 writes a model to a file of that name in a folder of the test.
func writeInt8(t *testing.T, l *model.Loaded, name string) (path string) {
	t.Helper()
	pool := kernels.NewPool(1)
	defer pool.Close()
	path = filepath.Join(t.TempDir(), name)
	if _, err := export.Write(l, path, pool, export.Options{}); err != nil {
		t.Fatal(err)
	}
	return path
}

func testInt8(t *testing.T, f modeltest.Family) {
	l := inInt8(t, f)
	size := l.Config.Data.ImageSize
	var want [][]float32
	picture := image.NewRGBA(image.Rect(0, 0, size, size))
	for i := range picture.Pix {
		picture.Pix[i] = uint8(i * 37)
	}
	for _, file := range []string{"m.safetensors", "m.onnx"} {
		path := writeInt8(t, l, file)
		back, err := model.Load(path)
		if err != nil || !graph.IsInt8(back.Model) {
			t.Fatalf("%s is read back as float32: %v", file, err)
		}
		m := open(t, path)
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				got, err := m.Logits(context.Background(), picture, picture)
				if err != nil || !slices.Equal(got[0], got[1]) {
					t.Errorf("%s: %v, %v", file, got, err)
				}
			})
		}
		all.Wait()
		got, err := m.Logits(context.Background(), picture)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if !slices.Equal(got[0], want[0]) {
			t.Errorf("%s: logits %v, want %v", file, got, want)
		}
		if _, err := m.Features(context.Background(), picture); err != nil {
			t.Errorf("%s: features: %v", file, err)
		}
	}
}
