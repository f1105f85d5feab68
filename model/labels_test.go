package model_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/internal/golden"
	"fasternet/internal/hub"
	"fasternet/model"
)

// withConfig copies a folder of timm with another config.json.
func withConfig(t *testing.T, name string, change func(text string) string) string {
	t.Helper()
	from, dir := golden.Foreign(t, name), t.TempDir()
	for _, file := range []string{"config.json", "model.safetensors"} {
		text, err := os.ReadFile(filepath.Join(from, file))
		if err != nil {
			t.Fatal(err)
		}
		if file == "config.json" {
			text = []byte(change(string(text)))
		}
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// config.json names classes in several ways, and describes them.
func TestLabels(t *testing.T) {
	list := func(names string) func(string) string {
		return func(text string) string {
			before, rest, _ := strings.Cut(text, `"label_names"`)
			_, after, _ := strings.Cut(rest, "]")
			return before + names + after
		}
	}
	for _, c := range []struct {
		name   string
		change func(string) string
		names  []string
		labels []string
		note   string
	}{
		{
			"as it is", func(s string) string { return s }, []string{"cat", "dog", "fox"},
			[]string{"cat", "dog", "fox"}, "",
		},
		{"old name", list(`"labels": ["a", "b", "c"]`), []string{"a", "b", "c"}, []string{"a", "b", "c"}, ""},
		{
			"descriptions",
			list(`"label_descriptions": {"a": "Apple", "c": "Cherry"}, "label_names": ["a", "b", "c"]`),
			[]string{"a", "b", "c"}, []string{"Apple", "b", "Cherry"}, "",
		},
		{
			"by number",
			list(`"label_names": {"0": "n01440764", "1": "n01443537", "2": "n01484850"}`),
			[]string{"n01440764", "n01443537", "n01484850"},
			[]string{
				"tench, Tinca tinca", "goldfish, Carassius auratus",
				"great white shark, white shark, man-eater, man-eating shark, Carcharodon carcharias",
			},
			"",
		},
		{
			"no descriptions",
			list(`"label_descriptions": ["a"], "label_names": ["a", "b", "c"]`),
			[]string{"a", "b", "c"}, []string{"a", "b", "c"}, "label_descriptions must map names to texts",
		},
		{"none", list(`"label_names": null`), nil, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var notes []string
			path := withConfig(t, "timm/fasternet_gelu", c.change)
			l, err := model.Open(path, model.LoadOptions{Report: func(t model.Table) { notes = t.Notes }})
			if err != nil {
				t.Fatal(err)
			}
			labels, note := l.Labels(l.Classes)
			if !slices.Equal(l.Classes, c.names) ||
				!slices.Equal(labels, c.labels) ||
				note != "" ||
				c.note != "" && !strings.Contains(strings.Join(notes, "\n"), c.note) {
				t.Errorf("classes %q, labels %q, note %q, notes %q", l.Classes, labels, note, notes)
			}
		})
	}
	l := &model.Loaded{}
	var err error
	l.Config, err = configs.Parse("test",
		"model: {embed_dim: 8, depths: [1, 1], feature_dim: 16, num_classes: 1000}\ndata: {image_size: 32}\n")
	if err != nil {
		t.Fatal(err)
	}
	if l.Model, err = model.New(l.Config, 0); err != nil {
		t.Fatal(err)
	}
	if labels, note := l.Labels(nil); len(labels) != 1000 ||
		!strings.Contains(note, "the names of ImageNet-1k are used") {
		t.Errorf("%d labels, note %q", len(labels), note)
	}
}

// A preset that starts from weights gets their mean and std, unless the user has set them. Other keys stay.
func TestAdoptStatistics(t *testing.T) {
	half := withConfig(t, "timm/vit_token", func(text string) string { return text })
	own := filepath.Join(t.TempDir(), "own.yaml")
	if err := os.WriteFile(own, []byte("base: vit_tiny\ndata: {mean: [0.1, 0.1, 0.1]}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	based := filepath.Join(t.TempDir(), "based.yaml")
	if err := os.WriteFile(based, []byte("base: vit_tiny\noptim: {lr: 0.001}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	bare := filepath.Join(t.TempDir(), "bare.safetensors") // without a config.json
	weights, err := os.ReadFile(filepath.Join(half, model.HubWeightsFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bare, weights, 0o644); err != nil {
		t.Fatal(err)
	}
	const token = "model.global_pool=false"
	images := []string{"data.mean=[0.5, 0.5, 0.5]", "data.std=[0.5, 0.5, 0.5]"}
	want := append(slices.Clone(images), token)
	for _, c := range []struct {
		name, config string
		settings     []string
		want         []string
	}{
		{"preset", "vit_tiny", []string{"from=" + half}, want},
		{"a file on a preset", based, []string{"from=" + half}, want},
		{"set in the file", own, []string{"from=" + half}, []string{token}},
		{"set by hand", "vit_tiny", []string{"from=" + half, "data.std=[1, 1, 1]"}, []string{token}},
		{"a pool by hand", "vit_tiny", []string{"from=" + half, "model.global_pool=true"}, images},
		{"weights alone", "vit_tiny", []string{"from=" + bare}, []string{token}},
		{"a class token by hand", "vit_tiny", []string{"from=" + golden.Foreign(t, "timm/vit_avg"), token}, nil},
		{"the same", "fasternet_t0", []string{"from=" + golden.Foreign(t, "timm/fasternet_gelu")}, nil},
		{
			"another number of channels", "vit_tiny",
			[]string{"from=" + half, "model.in_chans=1", "data.mean=[0.5]", "data.std=[0.5]"},
			[]string{token},
		},
		{"missing file", "vit_tiny", []string{"from=none"}, nil},
		{"no weights to start from", "vit_tiny", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, given, err := configs.LoadGiven(c.config, c.settings...)
			if err != nil {
				t.Fatal(err)
			}
			got, err := model.Adopt(config, given, model.LoadOptions{})
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%q, %v: want %q", got, err, c.want)
			}
		})
	}
	// A resumed run keeps its own.
	config, given, err := configs.LoadGiven("vit_tiny", "from="+half)
	if err != nil {
		t.Fatal(err)
	}
	run, err := configs.Load("vit_tiny", "data.mean=[0.3, 0.3, 0.3]", "data.std=[0.2, 0.2, 0.2]")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := model.AdoptFrom(config, given, run); err != nil ||
		!slices.Equal(got, []string{"data.mean=[0.3, 0.3, 0.3]", "data.std=[0.2, 0.2, 0.2]"}) {
		t.Errorf("%q, %v", got, err)
	}
	if run, err = configs.Load("vit_tiny", token); err != nil {
		t.Fatal(err)
	}
	if got, err := model.AdoptFrom(config, given, run); err != nil || !slices.Equal(got, []string{token}) {
		t.Errorf("%q, %v", got, err)
	}
}

// The presets of known models of the hub have the architecture that the hub names.
func TestKnownPresets(t *testing.T) {
	for _, m := range hub.Known {
		if m.Preset == "" {
			continue
		}
		c, err := configs.Load(m.Preset)
		if err != nil || c.Task != "classify" {
			t.Errorf("%s: preset %s: %v", m.Repo, m.Preset, err)
			continue
		}
		family, _ := graph.FamilyOf(c.Model.Name)
		_, name, _ := strings.Cut(m.Repo, "/")
		architecture, _, _ := strings.Cut(name, ".")
		if !family.Weights.Hub.Architecture(architecture) {
			t.Errorf("%s: %s is no %s", m.Repo, architecture, c.Model.Name)
		}
	}
}
