package model

import (
	"testing"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/internal/hostile"
)

// A file may say of its model what it likes: no more memory is taken than its
// tensors ask for, and what is wrong is an error.
func FuzzDescribe(f *testing.F) {
	for _, name := range []string{"quickstart", "vit_base", "swin_base", "mim_vit_base"} {
		c, err := configs.Load(name)
		if err != nil {
			f.Fatal(err)
		}
		text, err := c.YAML()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), `["a","b"]`, "false", 100)
	}
	f.Add("model: {embed_dim: 8, depths: [1, 1], feature_dim: 16}", `["a"]`, "true", 4000)
	f.Add("model: {embed_dim: 8, depths: [1, 1], feature_dim: 16, num_classes: 9000000000000000000}", `[]`, "false", 9)
	f.Add("model: {embed_dim: 8, depths: [1, 1], feature_dim: 4000000000}", `[]`, "false", 9)
	f.Add("base: vit_base\nmodel: {embed_dim: 12, depth: 1000000000, num_heads: 1}", `[]`, "false", 9)
	f.Fuzz(func(t *testing.T, config, classes, folded string, values int) {
		if values < 0 || values > 1<<20 {
			return
		}
		file := &checkpoints.File{Meta: map[string]string{FormatKey: format, ConfigKey: config, ClassesKey: classes, FoldedKey: folded}}
		for len(file.Tensors) < 50 {
			file.Tensors = append(file.Tensors, checkpoints.Tensor{Name: "x", Shape: []int{values / 50}, F32: make([]float32, values/50)})
		}
		hostile.Bound(t, 8<<20+1000*(len(config)+len(classes))+100*values, func() {
			c, names, err := Describe(file)
			if err != nil {
				return
			}
			m, err := (&Loaded{File: file, Config: c, Classes: names}).empty()
			if err != nil {
				return
			}
			if Restore(m.Store(), file) == nil {
				t.Error("tensors that are all called x are a model")
			}
		})
	})
}
