package model

import (
	"fmt"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/formats"
	"fasternet/formats/torch"
	"fasternet/internal/golden"
)

// All presets are recognised by the authors' lists of tensors.
func TestPresetsAreRecognised(t *testing.T) {
	for _, preset := range []string{"fasternet_t0", "fasternet_t1", "fasternet_t2", "fasternet_s", "fasternet_m", "fasternet_l"} {
		var r struct {
			StateDict [][2]any `json:"state_dict"`
		}
		golden.JSON(t, preset+".json", &r)
		var ts []formats.Tensor
		for _, e := range r.StateDict {
			x := formats.Tensor{Name: e[0].(string)}
			for _, d := range e[1].([]any) {
				x.Shape = append(x.Shape, int(d.(float64)))
			}
			ts = append(ts, x)
		}
		s := &source{path: "x", state: &torch.State{Family: torch.FasterNet, Naming: torch.Official, Tensors: ts}}
		got, err := s.infer([]string{"train.epochs=20"})
		if err != nil {
			t.Error(err)
			continue
		}
		want, err := configs.Load(preset, "train.epochs=20")
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("%s is taken for %+v", preset, got)
		}
	}
}

func TestNotAFasterNet(t *testing.T) {
	base := map[string][]int{
		"patch_embed.proj.weight": {8, 3, 4, 4}, "stages.0.blocks.0.mlp.0.weight": {16, 8, 1, 1},
		"stages.1.reduction.weight": {16, 8, 2, 2}, "stages.2.blocks.0.mlp.0.weight": {32, 16, 1, 1},
		"stages.0.blocks.0.spatial_mixing.partial_conv3.weight": {2, 2, 3, 3}, "avgpool_pre_head.1.weight": {20, 16, 1, 1},
	}
	for _, test := range []struct {
		name  string
		shape []int
		want  string
	}{
		{"", nil, "%!s(<nil>)"},
		{"patch_embed.proj.weight", nil, "there is no patch_embed.proj.weight"},
		{"stages.0.blocks.0.mlp.0.weight", nil, "there is no stages.0"},
		{"stages.1.reduction.weight", []int{1 << 20, 8, 2, 2}, "want 16 channels"},
		{"stages.2.blocks.0.mlp.0.weight", []int{32, 1 << 20, 1, 1}, "want 16 channels"},
		{"stages.0.blocks.0.spatial_mixing.partial_conv3.weight", []int{20, 20, 3, 3}, "partial convolution of 20 channels"},
		{"avgpool_pre_head.1.weight", []int{0, 16}, "has shape [0 16]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var ts []formats.Tensor
			for n, shape := range base {
				if n == test.name {
					shape = test.shape
				}
				if shape != nil {
					ts = append(ts, formats.Tensor{Name: n, Shape: shape})
				}
			}
			_, err := fasterNetShapes(ts)
			if !strings.Contains(fmt.Sprintf("%s", err), test.want) {
				t.Errorf("%s %v: got %v, want something with %q", test.name, test.shape, err, test.want)
			}
		})
	}
}

// A few large tensors are no model of many large blocks.
func TestShapesAreThere(t *testing.T) {
	ts := []formats.Tensor{
		{Name: "patch_embed.proj.weight", Shape: []int{8, 3, 4, 4}}, {Name: "pos_embed", Shape: []int{1, 17, 8}}, {Name: "cls_token", Shape: []int{1, 1, 8}},
		{Name: "blocks.0.mlp.fc1.weight", Shape: []int{60000, 8}},
	}
	for i := range 900 {
		ts = append(ts, formats.Tensor{Name: fmt.Sprintf("blocks.%d.attn.qkv.weight", i), Shape: []int{1}})
	}
	_, _, err := shapesOf(&torch.State{Family: torch.ViT, Tensors: ts})
	if err == nil || !strings.Contains(err.Error(), "fewer than some of their shapes describe") {
		t.Errorf("got %v", err)
	}
}
