package fasternet

import (
	"fmt"
	"strings"
	"testing"

	"fasternet/formats"
	"fasternet/graph/foreign"
)

func TestNotAFasterNet(t *testing.T) {
	base := map[string][]int{
		"patch_embed.proj.weight":                               {8, 3, 4, 4},
		"stages.0.blocks.0.mlp.0.weight":                        {16, 8, 1, 1},
		"stages.1.reduction.weight":                             {16, 8, 2, 2},
		"stages.2.blocks.0.mlp.0.weight":                        {32, 16, 1, 1},
		"stages.0.blocks.0.spatial_mixing.partial_conv3.weight": {2, 2, 3, 3},
		"avgpool_pre_head.1.weight":                             {20, 16, 1, 1},
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
		{"stages.0.blocks.0.spatial_mixing.partial_conv3.weight", []int{20, 20, 3, 3},
			"partial convolution of 20 channels"},
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
			_, _, err := shapes(foreign.NewShapes("FasterNet", ts))
			if !strings.Contains(fmt.Sprintf("%s", err), test.want) {
				t.Errorf("%s %v: got %v, want something with %q", test.name, test.shape, err, test.want)
			}
		})
	}
}
