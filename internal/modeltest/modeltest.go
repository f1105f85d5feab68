// Package modeltest writes small models of all families to files, for tests.
package modeltest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/model"
)

// Family is a small model, as YAML.
type Family struct{ Name, Model string }

// Families has a small model of each family, with three channels, images of 32 pixels and five classes.
var Families = []Family{
	{"fasternet", "{embed_dim: 8, depths: [1, 2], feature_dim: 24, init_std: 0.3, num_classes: 5}"},
	{"vit", "{name: vit, embed_dim: 24, depth: 2, num_heads: 3, patch_size: 8, init_std: 0.3, num_classes: 5}"},
	{"swin", "{name: swin, embed_dim: 8, depths: [1, 2], num_heads: [2, 4], window_size: 4, " +
		"init_std: 0.3, num_classes: 5}"},
}

// Classes are the names of the classes of the models that Write writes.
var Classes = []string{"ant", "bee", "cat", "dog", "eel"}

// Config returns the configuration of a small model. settings are of the form key=value.
func Config(t testing.TB, f Family, settings ...string) *configs.Config {
	t.Helper()
	text := fmt.Sprintf(`model: %s
data: {image_size: 32, mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.4], multi_scale: ""}
`, f.Model)
	c, err := configs.Parse(f.Name, text, settings...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Write writes a small model as a checkpoint into a folder of the test, and returns its path. Another
// setting of seed gives different weights.
func Write(t testing.TB, f Family, settings ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), strings.ReplaceAll(f.Name, " ", "_")+".safetensors")
	WriteTo(t, path, f, settings...)
	return path
}

// WriteTo is Write with a path.
func WriteTo(t testing.TB, path string, f Family, settings ...string) {
	t.Helper()
	c := Config(t, f, settings...)
	m, err := model.New(c, len(Classes))
	if err != nil {
		t.Fatal(err)
	}
	meta, err := model.Meta(c, Classes)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := checkpoints.Write(path, checkpoints.File{Meta: meta, Tensors: model.Tensors(m.Store())}); err != nil {
		t.Fatal(err)
	}
}
