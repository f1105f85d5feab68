package export_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/export"
	"fasternet/graph"
	"fasternet/internal/golden"
	"fasternet/model"
)

func loadedTransformer(t *testing.T, yaml string) *model.Loaded {
	t.Helper()
	c, err := configs.Parse("small.yaml", yaml)
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(c, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range m.Store().Params() {
		copy(p.Data(), golden.Weight(p.Name, 1, p.Shape()))
		p.Changed()
	}
	return &model.Loaded{Model: m, Config: c, Classes: []string{"ant", "bee", "cow"}, File: &checkpoints.File{}}
}

// Transformers have no folded form. Their file gives the same logits, to the bit, and writes the
// same file again. For images of another size the model is made again.
func TestTransformers(t *testing.T) {
	for _, c := range []struct{ name, yaml string }{
		{"vit", "model: {name: vit, embed_dim: 24, depth: 2, num_heads: 3, patch_size: 8}\ndata: {image_size: 32}"},
		{"fixed", `model: {name: vit, embed_dim: 24, depth: 1, num_heads: 3, patch_size: 8, ` +
			`global_pool: false, pos_embed: fixed}
data: {image_size: 32}`},
		{"early", `model: {name: vit, embed_dim: 24, depth: 1, num_heads: 3, patch_size: 8, norm_before_pool: true}
data: {image_size: 32}`},
		{"swin", `model: {name: swin, embed_dim: 8, depths: [2, 2], num_heads: [2, 4], window_size: 4}
data: {image_size: 32}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, size := range []int{32, 16} {
				l := loadedTransformer(t, c.yaml)
				l.Config.Data.ImageSize = size
				want := run(t, l.Model, l)
				for _, file := range []string{"m.safetensors", "m.onnx"} {
					dir := t.TempDir()
					path := filepath.Join(dir, file)
					r, err := export.Write(l, path, pool(t), export.Options{})
					if err != nil {
						t.Fatal(err)
					}
					if r.Folded || r.MaxAbs != 0 && size == 32 || r.MaxRel > 1e-6 {
						t.Errorf("%s, %s: %+v", c.name, file, r)
					}
					back, err := model.Load(path)
					if err != nil {
						t.Fatal(err)
					}
					if got := run(t, back.Model, l); size == 32 && !slices.Equal(got, want) {
						t.Errorf("%s, %s: other logits", c.name, file)
					} else {
						golden.CheckRel(t, c.name, got, want, 1e-6)
					}
					if n := len(back.File.Tensors); file == "m.onnx" && n != len(back.Model.Store().Entries) {
						t.Errorf("%s: %d tensors are read back, the model has %d",
							c.name, n, len(back.Model.Store().Entries))
					}
					again := filepath.Join(dir, "again-"+file)
					if _, err := export.Write(back, again, pool(t), export.Options{}); err != nil {
						t.Fatal(err)
					}
					a, _ := os.ReadFile(path)
					if b, _ := os.ReadFile(again); !bytes.Equal(a, b) {
						t.Errorf("%s: the second export of %s has different bytes", c.name, file)
					}
					// With options, the tensors are matched by name; constants are not among them.
					options := model.LoadOptions{Settings: []string{"model.drop_path_rate=0.2"}}
					if _, err := model.Open(path, options); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	l := loadedTransformer(t,
		"model: {name: swin, embed_dim: 8, depths: [1, 1], num_heads: [2, 4], window_size: 4}\ndata: {image_size: 16}")
	l.Config.Data.ImageSize = 32
	if _, err := export.Write(l, filepath.Join(t.TempDir(), "m.onnx"), pool(t), export.Options{}); err == nil ||
		!strings.Contains(err.Error(), "tables of position bias are too small") {
		t.Errorf("windows that outgrow their tables: %v", err)
	}
	if m, err := graph.ForSize(l.Model, 16); err != nil || m != l.Model {
		t.Errorf("at its own size: %v", err)
	}
}

// A temperature divides the logits in the file; removing it gives the old model again.
func TestTemperature(t *testing.T) {
	vit := loadedTransformer(t,
		"model: {name: vit, embed_dim: 24, depth: 1, num_heads: 3, patch_size: 8}\ndata: {image_size: 32}")
	for _, c := range []struct {
		name string
		l    *model.Loaded
	}{{"fasternet", loaded(t)}, {"vit", vit}} {
		for _, file := range []string{"m.safetensors", "m.onnx"} {
			t.Run(c.name+" "+file, func(t *testing.T) {
				want := slices.Clone(run(t, c.l.Model, c.l))
				path := filepath.Join(t.TempDir(), file)
				undo, err := c.l.Temper(2.5)
				if err != nil {
					t.Fatal(err)
				}
				r, err := export.Write(c.l, path, pool(t), export.Options{})
				undo()
				if err != nil || r.Temperature != 2.5 {
					t.Fatalf("%+v, %v", r, err)
				}
				if again := run(t, c.l.Model, c.l); !slices.Equal(again, want) || c.l.Temperature != 0 {
					t.Error("the model has changed")
				}
				for i := range want {
					want[i] /= 2.5
				}
				back, err := model.Load(path)
				if err != nil {
					t.Fatal(err)
				}
				golden.CheckRel(t, "logits", run(t, back.Model, c.l), want, 1e-5)
				if back.Temperature != 2.5 || back.File.Meta[model.TemperatureKey] != "2.5" {
					t.Errorf("temperature %v, %q", back.Temperature, back.File.Meta[model.TemperatureKey])
				}
				// Export once more with another temperature: both count.
				if _, err = back.Temper(2); err == nil {
					r, err = export.Write(back, path, pool(t), export.Options{})
				}
				if err != nil || r.Temperature != 5 {
					t.Errorf("%+v, %v", r, err)
				}
			})
		}
	}
	if _, err := vit.Temper(-1); err == nil || !strings.Contains(err.Error(), "a temperature of -1") {
		t.Errorf("%v", err)
	}
}
