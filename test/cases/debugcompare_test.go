package cases

import (
	"archive/zip"
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"fasternet/checkpoints"
	"fasternet/formats/npy"
)

// npzBytes makes an archive like numpy.savez_compressed.
func npzBytes(t *testing.T, names []string, shapes [][]int, values [][]float32) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i, name := range names {
		f, err := w.Create(name + ".npy")
		if err == nil {
			err = npy.Write(f, shapes[i], values[i])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The values that features and predict write, as a dump of another framework, agree with the folder of
// the run and with a checkpoint; a changed value is named.
func TestDebugCompare(t *testing.T) {
	for _, test := range []struct{ name, model string }{{"fasternet", tinyFasterNet}, {"swin", tinySwin}} {
		t.Run(test.name, func(t *testing.T) {
			f := newFolder(t)
			f.imageFolders("base", []string{"cat", "dog"}, 8, 4)
			f.config("t.yaml", test.model)
			f.run("train", "t.yaml", "--run", "run").exits(0)
			r := rand.New(rand.NewPCG(3, 4))
			images := make([]float32, 2*3*32*32)
			for i := range images {
				images[i] = float32(r.NormFloat64())
			}
			var b bytes.Buffer
			if err := npy.Write(&b, []int{2, 3, 32, 32}, images); err != nil {
				t.Fatal(err)
			}
			f.write("x.npy", b.Bytes())
			f.run("features", "x.npy", "--model", "run", "--stage", "all", "--out", "maps.safetensors").exits(0)
			f.run("predict", "x.npy", "--model", "run", "--logits", "logits.safetensors").exits(0)
			names, shapes, values := []string{"input"}, [][]int{{2, 3, 32, 32}}, [][]float32{images}
			for _, file := range []string{"maps.safetensors", "logits.safetensors"} {
				c, err := checkpoints.ReadOpen(f.file(file))
				if err != nil {
					t.Fatal(err)
				}
				for _, x := range c.Tensors {
					names, shapes, values = append(names, x.Name), append(shapes, x.Shape), append(values, x.F32)
				}
			}
			f.write("dump.npz", npzBytes(t, names, shapes, values))
			for _, model := range []string{"run", "run/checkpoints/best.safetensors"} {
				f.run("debug", "compare", model, "dump.npz").exits(0).
					says("stage1", "stage2", "logits",
						"values of run/checkpoints/best.safetensors agree within 0.0001 of the largest, "+
							"on 2 images of 32×32 pixels")
			}
			i := slices.Index(names, "stage2")
			values[i][3] += 1
			f.write("dump.npz", npzBytes(t, names, shapes, values))
			f.run("debug", "compare", "run", "dump.npz").exits(1).
				says("differs", "the first value that differs by more than 0.0001 (relative to the largest) is stage2")
			o := f.run("debug", "compare", "run", "dump.npz", "--json", "--tolerance", "10").exits(0).json()
			if o["first_that_differs"] != nil || len(o["stages"].([]any)) != 3 {
				t.Errorf("got %v", o)
			}
			f.run("debug", "compare", "run", "x.npy").exits(1).says("x.npy: not a .npz file")
			f.run("debug", "compare", "run").exits(2)
			f.run("debug", "compare", "run", "dump.npz", "--tolerance", "-1").exits(2).
				says("--tolerance: want a number of 0 or more")
		})
	}
}
