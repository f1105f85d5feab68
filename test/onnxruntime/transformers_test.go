package onnxruntime_test

import (
	"fmt"
	"testing"

	"fasternet/configs"
	"fasternet/export/onnxgraph"
)

// All kinds of ViT and Swin, in every operator set: for the image size of the model, and for other sizes,
// with interpolated positions and padded windows.
func TestTransformers(t *testing.T) {
	const (
		vit  = "model: {name: vit, embed_dim: 24, depth: 2, num_heads: 3, patch_size: 8, mlp_ratio: 2"
		swin = "model: {name: swin, embed_dim: 12, depths: [2, 2], num_heads: [2, 4], window_size: 4, mlp_ratio: 2"
		grey = "\ndata: {mean: [0.5], std: [0.5], image_size: 32}"
		data = "\ndata: {image_size: 32}"
	)
	for _, c := range []struct {
		name, yaml    string
		height, width int
	}{
		{"vit", vit + "}" + data, 32, 32},
		{"vit norm first", vit + ", norm_before_pool: true}" + data, 32, 32},
		{"vit class token", vit + ", global_pool: false}" + data, 32, 32},
		{"vit fixed positions", vit + ", pos_embed: fixed}" + data, 32, 32},
		{"vit grey", vit + ", in_chans: 1, pos_embed: sincos}" + grey, 32, 32},
		{"vit no qkv bias", vit + ", qkv_bias: false, norm_eps: 1.0e-5}" + data, 32, 32},
		{"vit other size", vit + "}" + data, 48, 40},
		{"vit remainder", vit + ", pos_embed: fixed}" + data, 45, 36},
		{"vit one head",
			"model: {name: vit, embed_dim: 20, depth: 1, num_heads: 1, patch_size: 4, num_classes: 33}" + data,
			32, 32},
		{"vit large eps", vit + ", norm_eps: 0.1}" + data, 32, 32},
		{"swin shifted", swin + "}" + data, 32, 32},
		{"swin norm before pool", swin + ", norm_before_pool: true, patch_norm: false}" + data, 32, 32},
		{"swin grey", swin + ", in_chans: 1, qkv_bias: false}" + grey, 32, 32},
		{"swin odd window",
			"model: {name: swin, embed_dim: 8, depths: [2, 2, 2], num_heads: [1, 2, 4], window_size: " +
				"3, patch_size: 2}\ndata: {image_size: 24}",
			24, 24},
		{"swin padded",
			"model: {name: swin, embed_dim: 8, depths: [2, 3], num_heads: [2, 2], window_size: 3, patch_size: 4}" +
				data,
			32, 32},
		{"swin padded width", swin + "}" + data, 32, 56},
		{"swin narrow", swin + "}" + data, 48, 8},
		{"swin shift both",
			"model: {name: swin, embed_dim: 8, depths: [2], num_heads: [2], window_size: 5, patch_size: 2}\ndata: " +
				"{image_size: 32}",
			32, 38},
		{"swin window 1",
			"model: {name: swin, embed_dim: 8, depths: [2], num_heads: [2], window_size: 1, patch_size: 8}" + data,
			32, 32},
		{"swin one window",
			"model: {name: swin, embed_dim: 8, depths: [2, 2], num_heads: [2, 4], window_size: 7, patch_size: 4}" +
				data,
			16, 24},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, err := configs.Parse(c.name, c.yaml)
			if err != nil {
				t.Fatal(err)
			}
			l := folded(t, config)
			for opset := 13; opset <= 17; opset++ {
				m, err := onnxgraph.Build(l.Model, onnxgraph.Options{Opset: opset, Height: c.height, Width: c.width})
				if err != nil {
					t.Fatal(err)
				}
				t.Run(fmt.Sprint(opset), func(t *testing.T) {
					checkLogits(t, l.Model, save(t, m), c.height, c.width, 1, 3)
				})
			}
		})
	}
}
