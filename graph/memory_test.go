package graph_test

import (
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/graph/fasternet"
	"fasternet/graph/swin"
	"fasternet/graph/vit"
)

// A model that is too large for any machine is refused before its first parameter is made.
func TestModelsThatDoNotFit(t *testing.T) {
	t.Parallel()
	load := func(name string, settings ...string) *configs.Config {
		t.Helper()
		c, err := configs.Load(name, settings...)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	wide := load(
		"fasternet_t0", "model.embed_dim=65536", "model.depths=[1024]",
		"model.mlp_ratio=64", "model.num_classes=10",
	).Model
	for _, c := range []struct {
		name string
		make func() error
	}{
		{"FasterNet", func() error { _, err := fasternet.New(wide, 0); return err }},
		{"folded FasterNet", func() error { _, err := fasternet.NewFolded(wide); return err }},
		{"ViT", func() error {
			_, err := vit.New(
				load(
					"vit_tiny", "model.embed_dim=65536", "model.num_heads=64",
					"model.depth=1024", "model.num_classes=10",
				).Model,
				224, 0,
			)
			return err
		}},
		{"Swin", func() error {
			_, err := swin.New(
				load(
					"swin_tiny", "model.embed_dim=8192", "model.depths=[2, 2, 1024, 2]",
					"model.num_heads=[4, 8, 16, 32]", "model.num_classes=10",
				).Model,
				224, 0,
			)
			return err
		}},
	} {
		if err := c.make(); err == nil ||
			!strings.Contains(err.Error(), "not enough memory: the parameters of the model need ") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
