package onnxruntime_test

import (
	"testing"

	"fasternet/configs"
	"fasternet/export"
	"fasternet/export/onnxgraph"
	"fasternet/export/quantise"
	"fasternet/internal/golden"
	"fasternet/model"

	ort "github.com/yalue/onnxruntime_go"
)

func smallModel(t *testing.T, settings ...string) *model.Loaded {
	t.Helper()
	c, err := configs.Load("fasternet_t0", append([]string{"model.embed_dim=16", "model.depths=[1,2]", "model.feature_dim=24", "model.num_classes=0",
		"data.image_size=64", "data.multi_scale=''"}, settings...)...)
	if err != nil {
		t.Fatal(err)
	}
	return folded(t, c)
}

// A model in 8 bits gives about what our own kernels compute: the runtime rounds once more, before
// the residual.
func TestInt8(t *testing.T) {
	for _, test := range []struct {
		name     string
		settings []string
	}{
		{"GELU", nil}, {"ReLU", []string{"model.act_layer=relu"}}, {"all channels convolved", []string{"model.n_div=1"}},
		{"odd widths", []string{"model.embed_dim=9", "model.n_div=3", "model.mlp_ratio=1.6"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := smallModel(t, test.settings...)
			size, n := l.Config.Data.ImageSize, 32
			q, err := quantise.Run(l.Config, l.Model, quantise.Images{
				Data: golden.Image("calibration", 1, n*size*size*l.Model.Channels()), Count: n, Height: size, Width: size, Channels: l.Model.Channels(),
			}, quantise.Options{})
			if err != nil {
				t.Fatal(err)
			}
			l.Model = q.Model
			for _, opset := range []int{13, 17, 20, 23} {
				m, err := export.ONNX(l, export.Options{Opset: opset})
				if err != nil {
					t.Fatal(err)
				}
				checkWithin(t, 0.06, l.Model, save(t, m), size, size, 1, 3)
			}
		})
	}
}

// Files for images of any size, and of float16.
func TestSizesAndHalf(t *testing.T) {
	l := smallModel(t)
	m, err := export.ONNX(l, export.Options{Opset: 18, Dynamic: true})
	if err != nil {
		t.Fatal(err)
	}
	path := save(t, m)
	checkLogits(t, l.Model, path, 64, 64, 1, 2)
	checkLogits(t, l.Model, path, 83, 96, 2)
	if m, err = export.ONNX(l, export.Options{Opset: 17, Half: true}); err != nil {
		t.Fatal(err)
	}
	checkWithin(t, 0.02, l.Model, save(t, m), 64, 64, 2)
}

// A file that takes bytes gives the logits of the pixels when they are normalised.
func TestUint8Input(t *testing.T) {
	l := smallModel(t)
	const size = 64
	logits := func(o export.Options, run func(s *ort.DynamicAdvancedSession, out []ort.Value) error) []float32 {
		m, err := export.ONNX(l, o)
		if err != nil {
			t.Fatal(err)
		}
		s, err := ort.NewDynamicAdvancedSession(save(t, m), []string{onnxgraph.Input}, []string{onnxgraph.Output}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Destroy()
		out := []ort.Value{nil}
		if err := run(s, out); err != nil {
			t.Fatal(err)
		}
		defer out[0].Destroy()
		return append([]float32(nil), out[0].(*ort.Tensor[float32]).GetData()...)
	}
	pixels, floats := make([]uint8, size*size*3), make([]float32, size*size*3)
	d := l.Config.Data
	for i := range pixels {
		pixels[i] = uint8(i * 31)
		c := i % 3
		floats[c*size*size+i/3] = (float32(pixels[i])/255 - float32(d.Mean[c])) / float32(d.Std[c])
	}
	got := logits(export.Options{Opset: 13, Pixels: true}, func(s *ort.DynamicAdvancedSession, out []ort.Value) error {
		in, err := ort.NewTensor(ort.NewShape(1, size, size, 3), pixels)
		if err != nil {
			return err
		}
		defer in.Destroy()
		return s.Run([]ort.Value{in}, out)
	})
	want := logits(export.Options{Opset: 17}, func(s *ort.DynamicAdvancedSession, out []ort.Value) error {
		in, err := ort.NewTensor(ort.NewShape(1, 3, size, size), floats)
		if err != nil {
			return err
		}
		defer in.Destroy()
		return s.Run([]ort.Value{in}, out)
	})
	if worst := relative(got, want); !(worst <= 1e-5) {
		t.Errorf("the logits are off by %.2g of the largest", worst)
	}
}
