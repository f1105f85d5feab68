package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/configs"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// runSchema compiles the printed schema with another library.
func runSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := configs.Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("run.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("run.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// document converts YAML to values for the schema.
func document(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// The schema allows every preset, as written and with all keys.
func TestSchemaAllowsPresets(t *testing.T) {
	s := runSchema(t)
	for _, name := range configs.Presets() {
		text, err := configs.PresetText(name)
		if err != nil {
			t.Fatal(err)
		}
		c, err := configs.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		full, err := c.YAML()
		if err != nil {
			t.Fatal(err)
		}
		for what, text := range map[string]string{"as it is written": text, "in full": string(full)} {
			if err := s.Validate(document(t, text)); err != nil {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
	if r := invoke(t, "config", "schema"); r.code != 0 ||
		!json.Valid([]byte(r.stdout)) ||
		!strings.Contains(r.stdout, "draft/2020-12") {
		t.Errorf("config schema: %+v", r)
	}
	out := filepath.Join(t.TempDir(), "schema.json")
	if r := invoke(t, "config", "schema", "--out", out); r.code != 0 || r.stdout != "" {
		t.Errorf("config schema --out: %+v", r)
	}
	if text, err := os.ReadFile(out); err != nil || !json.Valid(text) {
		t.Errorf("%s: %v", out, err)
	}
}

// The schema refuses and allows the same as the program.
func TestSchemaAgreesWithChecks(t *testing.T) {
	s := runSchema(t)
	for _, tt := range []struct {
		name, text string
		ok         bool
	}{
		{"nothing set", "{}", true},
		{"a preset and a file", "base: fasternet_t0\n", true},
		{"no such preset", "base: fasternet_t9\n", false},
		{"unknown section", "trian: {epochs: 3}\n", false},
		{"unknown key", "train: {epoch: 3}\n", false},
		{"text for a number", "train: {epochs: many}\n", false},
		{"fraction for an integer", "train: {epochs: 1.5}\n", false},
		{"too small", "train: {epochs: 0}\n", false},
		{"too large", "data: {workers: 100000}\n", false},
		{"open end of a range", "optim: {lr: 0}\n", false},
		{"other open end", "ema: {decay: 1}\n", false},
		{"within a range", "ema: {decay: 0.9998}\n", true},
		{"unknown value", "data: {interpolation: cubic}\n", false},
		{"one of two numbers", "model: {in_chans: 2}\n", false},
		{"list too short", "optim: {betas: [0.9]}\n", false},
		{"list of texts", "data: {mean: [a, b, c]}\n", false},
		{"value in a list", "data: {std: [0, 1, 1]}\n", false},
		{"unknown family", "model: {name: vitt}\n", false},
		{"key of another family", "model: {name: vit, depths: [1]}\n", false},
		{"keys of a family", "model: {name: vit, depth: 3, num_heads: 4, embed_dim: 64}\n", true},
		{"heads as a list", "model: {name: swin, num_heads: [2, 4], depths: [2, 2], embed_dim: 12}\n", true},
		{"unknown format", "data: {name: imagenet}\n", false},
		{"key of another format", "data: {name: cifar10, train: x}\n", false},
		{"augmentation by its name", "augment: {extra: [grayscale]}\n", true},
		{"augmentation with options", "augment: {extra: [{name: solarize, prob: 0.2, threshold: 128}]}\n", true},
		{"unknown augmentation", "augment: {extra: [solarise]}\n", false},
		{"unknown option", "augment: {extra: [{name: solarize, treshold: 128}]}\n", false},
		{"key of an older version", "from_ema: true\n", true},
		{"not a mapping", "train: 3\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "my.yaml")
			writeFile(t, path, []byte(tt.text))
			_, loaded := configs.Load(path)
			allowed := s.Validate(document(t, tt.text))
			if (loaded == nil) != tt.ok || (allowed == nil) != tt.ok {
				t.Errorf("%s: the program says %v, the schema %v, want ok: %v", tt.text, loaded, allowed, tt.ok)
			}
		})
	}
}

// The schema has every range of the checks: for every key, both refuse a value just outside.
func TestSchemaHasAllRanges(t *testing.T) {
	s := runSchema(t)
	tried := 0
	for _, key := range configs.Keys() {
		d, ok := configs.DomainOf(key)
		if !ok || strings.HasPrefix(key, "mim.") { // only checked in pre-training, after other conditions
			continue
		}
		var values []string
		if d.Options != nil {
			values = append(values, "zzz")
		}
		if !math.IsInf(d.Least, -1) {
			v := d.Least - 1
			if d.Above {
				v = d.Least
			}
			values = append(values, fmt.Sprint(v))
		}
		if d.Most < 1e9 {
			v := d.Most + 1
			if d.Below {
				v = d.Most
			}
			values = append(values, fmt.Sprint(v))
		}
		family := ""
		for _, name := range configs.FamilyNames() {
			c, err := configs.Parse("x", "model: {name: "+name+"}")
			if err != nil {
				t.Fatal(err)
			}
			settings, err := c.Settings()
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range settings {
				if s.Key == key && family == "" {
					family = name
					// one item of the list is wrong
					if list, ok := strings.CutPrefix(s.Value, "["); ok && list != "]" {
						_, rest, more := strings.Cut(list, ",")
						for i, v := range values {
							values[i] = "[" + v + "]"
							if more {
								values[i] = "[" + v + "," + rest
							}
						}
					} else if ok {
						for i, v := range values {
							values[i] = "[" + v + "]"
						}
					}
				}
			}
		}
		for _, v := range values {
			text := v
			parts := strings.Split(key, ".")
			for i := len(parts) - 1; i >= 0; i-- {
				text = "{" + parts[i] + ": " + text + "}"
				if parts[i] == "model" && len(parts) > 1 && key != "model.name" {
					text = strings.Replace(text, "model: {", "model: {name: "+family+", ", 1)
				}
			}
			tried++
			path := filepath.Join(t.TempDir(), "my.yaml")
			writeFile(t, path, []byte(text))
			if _, err := configs.Load(path); err == nil {
				t.Errorf("%s: the program takes it", text)
			}
			if err := s.Validate(document(t, text)); err == nil {
				t.Errorf("%s: the schema allows it", text)
			}
		}
	}
	if tried < 100 {
		t.Errorf("%d values were tried: the checks are not recorded", tried)
	}
}
