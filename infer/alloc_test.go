//go:build !race

// The race detector makes sync.Pool drop items at random.

package infer_test

import (
	"image"
	"image/draw"
	"testing"

	"fasternet/infer"
	"fasternet/internal/datatest"
	"fasternet/internal/modeltest"
)

// In the steady state, a call allocates nothing for tensors and images in memory, for one image and
// for several, with logits, features and classes.
func TestAllocatesNothing(t *testing.T) {
	scene := datatest.Scene(90, 70)
	planes := image.NewYCbCr(scene.Rect, image.YCbCrSubsampleRatio420)
	grey := image.NewGray(scene.Rect)
	draw.Draw(grey, scene.Rect, scene, image.Point{}, draw.Src)
	type file struct{ name, path string }
	var files []file
	for _, f := range modeltest.Families {
		files = append(files, file{f.Name, modeltest.Write(t, f)})
		files = append(files, file{f.Name + " in 8 bits", writeInt8(t, inInt8(t, f), "m.safetensors")})
	}
	for _, f := range files {
		m := open(t, f.path, infer.Threads(2), infer.MaxBatch(4))
		for _, c := range []struct {
			name     string
			in       infer.Input
			features bool
		}{
			{"RGBA", infer.Input{Image: scene}, false}, {"YCbCr", infer.Input{Image: planes}, false},
			{"grey", infer.Input{Image: grey}, false},
			{"tensor", infer.Input{Tensor: make([]float32, 3*32*32)}, false},
			{"features", infer.Input{Tensor: make([]float32, 3*32*32)}, true},
		} {
			for _, n := range []int{1, 9} {
				in, out := make([]infer.Input, n), make([]infer.Output, n)
				for i := range in {
					in[i], out[i].WithFeatures = c.in, c.features
				}
				var top []infer.Class
				call := func() {
					if err := m.Infer(t.Context(), in, out); err != nil {
						t.Fatal(err)
					}
					top = m.AppendTop(top[:0], out[0].Logits, 3)
				}
				// Warm up until every size of batch has come and every part has its memory. A garbage
				// collection takes some of it away again.
				got := 1.0
				for try := 0; got > 0 && try < 40; try++ {
					got = testing.AllocsPerRun(20, call)
				}
				if got > 0 {
					t.Errorf("%s, %s, %d images: %v allocations", f.name, c.name, n, got)
				}
			}
		}
	}
}
