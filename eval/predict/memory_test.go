package predict_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"fasternet/data"
	"fasternet/data/picture"
	"fasternet/eval/predict"
	"fasternet/formats/npy"
	"fasternet/internal/flat"
)

// tiles are images of one colour each.
type tiles int

func (n tiles) Len() int        { return int(n) }
func (tiles) Classes() []string { return []string{"a", "b", "c", "d"} }
func (tiles) Label(i int) int   { return i % 4 }
func (tiles) Name(i int) string { return fmt.Sprint("tile ", i) }
func (tiles) Image(i int) (*picture.Image, error) {
	m := picture.NewImage(16, 16, 3)
	for p := range m.Pix {
		m.Pix[p] = uint8(i + p%3)
	}
	return m, nil
}

// 10,000 images, in files of any kind, take no more memory than a thousand: only the
// requested features are collected.
func TestMemoryOfPredictions(t *testing.T) {
	const images, batch = 10_000, 100
	path := filepath.Join(t.TempDir(), "images.npy")
	values := make([]float32, images*3*16*16)
	for i := range values {
		values[i] = float32(i%251)/125 - 1
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := npy.Write(f, []int{images, 3, 16, 16}, values); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, format string
		open         func() (*predict.Inputs, error)
	}{
		{"array", "table", func() (*predict.Inputs, error) {
			return predict.Open([]string{path}, 3, picture.Decoding{})
		}},
		{"images", "jsonl", func() (*predict.Inputs, error) { return predict.FromDataset(tiles(images)), nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			in, err := c.open()
			if err != nil {
				t.Fatal(err)
			}
			w, err := predict.NewWriter(io.Discard, c.format, in, tiles(0).Classes())
			if err != nil {
				t.Fatal(err)
			}
			watch := flat.New(t, images/batch)
			o := options(batch)
			o.Transform.(*data.EvalTransform).Size = 16
			o.Progress = func(int, int) { watch.Round() }
			out, err := predict.Classify(t.Context(), newRunner(t), in, o, top(2, tiles(0).Classes()), w, nil)
			if err != nil || out.Count != images {
				t.Fatalf("%+v, %v", out, err)
			}
			watch.Check()
		})
	}
}
