package model

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/formats"
	"fasternet/formats/torch"
	"fasternet/internal/golden"
	"fasternet/internal/hostile"
)

// Whatever a file says of its model, it takes no more memory than its tensors, and an error says what
// is wrong.
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
		file := &checkpoints.File{
			Meta: map[string]string{FormatKey: format, ConfigKey: config, ClassesKey: classes, FoldedKey: folded},
		}
		for len(file.Tensors) < 50 {
			file.Tensors = append(file.Tensors, formats.Tensor{
				Name:  "x",
				Shape: []int{values / 50},
				F32:   make([]float32, values/50),
			})
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
				t.Error("tensors with the same name make a model")
			}
		})
	})
}

// The same for the config.json next to foreign weights.
func FuzzHubConfig(f *testing.F) {
	var states []*torch.State
	for _, name := range []string{"fasternet_gelu", "vit_token", "vit_mean", "swin"} {
		folder := golden.Foreign(f, "timm/"+name)
		text, err := os.ReadFile(filepath.Join(folder, HubConfigFile))
		if err != nil {
			f.Fatal(err)
		}
		s, err := torch.Read(filepath.Join(folder, HubWeightsFile), torch.Options{})
		if err != nil {
			f.Fatal(err)
		}
		for i := range s.Tensors {
			s.Tensors[i].Name = torch.OfficialName(s.Family, s.Naming, s.Tensors[i].Name)
		}
		f.Add(string(text), uint8(len(states)))
		f.Add(strings.ReplaceAll(string(text), "32", "[32, 8000000000]"), uint8(len(states)))
		states = append(states, s)
	}
	f.Add(`{"architecture": "swin_tiny_patch4_window7_224", "model_args": {"img_size": 8192, "window_size": 256}}`,
		uint8(3))
	f.Fuzz(func(t *testing.T, config string, of uint8) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, HubConfigFile), []byte(config), 0o644); err != nil {
			t.Fatal(err)
		}
		hostile.Bound(t, 8<<20+2000*len(config), func() {
			h, err := readHubConfig(filepath.Join(dir, HubWeightsFile))
			if err != nil || h == nil {
				return
			}
			s := &source{path: "x", hub: h, state: states[int(of)%len(states)]}
			if s.describeHub(nil) != nil {
				return
			}
			// Any accepted configuration can be made, and takes the memory of its tensors.
			if _, err := New(s.config, max(classesOf(s.state.Tensors), 1)); err != nil {
				t.Errorf("%s\n%v", config, err)
			}
		})
	})
}
