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

// The authors' lists of tensors identify all presets.
func TestPresetsAreRecognised(t *testing.T) {
	for _, preset := range []string{
		"fasternet_t0", "fasternet_t1", "fasternet_t2", "fasternet_s", "fasternet_m", "fasternet_l",
	} {
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
		s := &source{path: "x", state: &torch.State{Family: "fasternet", Naming: torch.Official, Tensors: ts}}
		got, err := s.infer([]string{"train.epochs=20"})
		if err != nil {
			t.Error(err)
			continue
		}
		want, err := configs.Load(preset, "train.epochs=20")
		if err != nil {
			t.Fatal(err)
		}
		if differing, err := configs.Differences(got, want); err != nil || len(differing) > 0 {
			t.Errorf("%s is taken for another configuration: %v, %v", preset, differing, err)
		}
	}
}

// A few large tensors do not make a model of many large blocks.
func TestShapesAreThere(t *testing.T) {
	ts := []formats.Tensor{
		{Name: "patch_embed.proj.weight", Shape: []int{8, 3, 4, 4}},
		{Name: "pos_embed", Shape: []int{1, 17, 8}},
		{Name: "cls_token", Shape: []int{1, 1, 8}},
		{Name: "blocks.0.mlp.fc1.weight", Shape: []int{60000, 8}},
	}
	for i := range 900 {
		ts = append(ts, formats.Tensor{Name: fmt.Sprintf("blocks.%d.attn.qkv.weight", i), Shape: []int{1}})
	}
	_, _, err := (&source{state: &torch.State{Family: "vit", Tensors: ts}}).shapesOf()
	if err == nil || !strings.Contains(err.Error(), "fewer than some of their shapes describe") {
		t.Errorf("got %v", err)
	}
}
