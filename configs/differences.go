package configs

import (
	"strings"
	"sync"

	"gopkg.in/yaml.v3"
)

// Setting is a key of a configuration with its value as YAML.
type Setting struct{ Key, Value string }

// Section splits the key into its first part and the rest.
func (s Setting) Section() (section, key string) {
	section, key, _ = strings.Cut(s.Key, ".")
	return section, key
}

// Settings lists all keys of a configuration in the order of its file.
func (c *Config) Settings() ([]Setting, error) {
	text, err := c.YAML()
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	return settingsOf(nil, "", doc.Content[0])
}

func settingsOf(to []Setting, prefix string, n *yaml.Node) (_ []Setting, err error) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := prefix+n.Content[i].Value, n.Content[i+1]
		if value.Kind == yaml.MappingNode && len(value.Content) > 0 {
			if to, err = settingsOf(to, key+".", value); err != nil {
				return nil, err
			}
			continue
		}
		value.Style = yaml.FlowStyle
		text, err := yaml.Marshal(value)
		if err != nil {
			return nil, err
		}
		to = append(to, Setting{key, strings.TrimSpace(string(text))})
	}
	return to, nil
}

// Difference is a key whose values differ between configurations. A value is "" where a configuration
// lacks the key.
type Difference struct {
	Key    string
	Values []string // one per configuration
}

// Differences lists the keys whose values differ between configurations.
func Differences(all ...*Config) ([]Difference, error) {
	var settings [][]Setting
	for _, c := range all {
		s, err := c.Settings()
		if err != nil {
			return nil, err
		}
		settings = append(settings, s)
	}
	return differences(settings), nil
}

func differences(all [][]Setting) (out []Difference) {
	var keys []string
	values := map[string][]string{}
	for i, settings := range all {
		for _, s := range settings {
			if values[s.Key] == nil {
				values[s.Key] = make([]string, len(all))
				keys = append(keys, s.Key)
			}
			values[s.Key][i] = s.Value
		}
	}
	for _, k := range keys {
		for _, v := range values[k][1:] {
			if v != values[k][0] {
				out = append(out, Difference{k, values[k]})
				break
			}
		}
	}
	return out
}

// preset is an embedded preset.
type preset struct {
	name     string
	config   *Config
	settings []Setting
}

var allPresets = sync.OnceValues(func() (all []preset, err error) {
	for _, name := range Presets() {
		p := preset{name: name}
		if p.config, err = Load(name); err == nil {
			p.settings, err = p.config.Settings()
		}
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
})

// Nearest returns the preset of the same task and family that differs in the fewest keys; "" if there is none.
func (c *Config) Nearest() (name string, differing []Difference, err error) {
	all, err := allPresets()
	if err != nil {
		return "", nil, err
	}
	own, err := c.Settings()
	if err != nil {
		return "", nil, err
	}
	for _, p := range all {
		if p.config.Task != c.Task || p.config.Model.Name != c.Model.Name {
			continue
		}
		if d := differences([][]Setting{p.settings, own}); name == "" || len(d) < len(differing) {
			name, differing = p.name, d
		}
	}
	return name, differing, nil
}
