package model_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/formats"
	"fasternet/model"
)

// A Swin reads back from its checkpoint. The checkpoint has the tensors of the official state dict that
// follow from its sizes; official masks are ignored.
func TestLoadSwin(t *testing.T) {
	c, err := configs.Parse("swin.yaml", `
model: {name: swin, embed_dim: 8, depths: [1, 2], num_heads: [2, 4], window_size: 4}
data: {image_size: 32}
seed: 7
`)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "swin.safetensors")
	save(t, path, c, formats.Tensor{Name: "layers.1.blocks.1.attn_mask", Shape: []int{1}, F32: []float32{-100}})
	l, err := model.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	index, ok := l.File.Lookup("layers.0.blocks.0.attn.relative_position_index")
	if !ok || !slices.Equal(index.Shape, []int{16, 16}) || index.I64[0] != 24 {
		t.Errorf("relative position index %v", index)
	}
	want, err := model.New(c, 2)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range want.Store().Params() {
		if !slices.Equal(l.Model.Store().Params()[i].Data(), p.Data()) {
			t.Errorf("%s differs", p.Name)
		}
	}
	// As foreign weights, for a configuration of the same sizes.
	if _, err := model.Open(path, model.LoadOptions{Settings: []string{"model.drop_path_rate=0.3"}}); err != nil {
		t.Error(err)
	}
	var table model.Table
	_, err = model.Open(path, model.LoadOptions{
		Settings: []string{"model.window_size=2"},
		Report:   func(t model.Table) { table = t },
	})
	notes := strings.Join(table.Notes, "; ")
	if err != nil || !strings.Contains(notes, "tables of position bias for windows of 4×4 are interpolated for 2×2") {
		t.Errorf("another window: %v, %s", err, notes)
	}
	if _, err := model.NewFolded(c, 2); err == nil {
		t.Error("a Swin in folded form: no error")
	}
}
