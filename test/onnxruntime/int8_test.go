package onnxruntime_test

import (
	"testing"

	"fasternet/configs"
	"fasternet/export"
	"fasternet/export/onnxgraph"
	"fasternet/model"
)

func smallModel(t *testing.T, settings ...string) *model.Loaded {
	t.Helper()
	small := []string{
		"model.embed_dim=16", "model.depths=[1,2]", "model.feature_dim=24", "model.num_classes=0",
		"data.image_size=64", "data.multi_scale=''",
	}
	c, err := configs.Load("fasternet_t0", append(small, settings...)...)
	if err != nil {
		t.Fatal(err)
	}
	return folded(t, c)
}

// A model in 8 bits computes nearly the same as our own kernels: the runtime rounds once more, before the
// residual.
func TestInt8(t *testing.T) {
	for _, test := range []struct {
		name     string
		settings []string
	}{
		{"GELU", nil}, {"ReLU", []string{"model.act_layer=relu"}},
		{"all channels convolved", []string{"model.n_div=1"}},
		{"odd widths", []string{"model.embed_dim=9", "model.n_div=3", "model.mlp_ratio=1.6"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := inInt8(t, smallModel(t, test.settings...))
			for _, opset := range []int{13, 17, 20, 23} {
				m, err := export.ONNX(l, export.Options{Opset: opset})
				if err != nil {
					t.Fatal(err)
				}
				checkWithin(t, 0.06, l.Model, save(t, m), l.Config.Data.ImageSize, l.Config.Data.ImageSize, 1, 3)
			}
		})
	}
}

// Runs ViT and Swin in 8 bits on images of sizes other than their own: some pixels are in no patch, positions
// are interpolated, windows padded.
func TestInt8Sizes(t *testing.T) {
	for _, test := range []struct {
		name, yaml    string
		height, width int
	}{
		{"ViT", families[1].yaml, 45, 36}, {"Swin", families[2].yaml, 48, 32},
		{"Swin padded", families[2].yaml, 40, 56},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := inInt8(t, family(t, test.yaml))
			m, err := onnxgraph.Build(l.Model, onnxgraph.Options{Opset: 17, Height: test.height, Width: test.width})
			if err != nil {
				t.Fatal(err)
			}
			checkWithin(t, 0.06, l.Model, save(t, m), test.height, test.width, 1, 2)
		})
	}
}
