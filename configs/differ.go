package configs

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// Setting is a key of a configuration with its value as YAML.
type Setting struct{ Key, Value string }

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

// Difference is a key whose values differ between configurations; "" stands for
// a key that a configuration does not have.
type Difference struct {
	Key    string
	Values []string // one a configuration
}

// Differences lists the keys in which configurations differ.
func Differences(all ...*Config) ([]Difference, error) {
	var keys []string
	values := map[string][]string{}
	for i, c := range all {
		settings, err := c.Settings()
		if err != nil {
			return nil, err
		}
		for _, s := range settings {
			if values[s.Key] == nil {
				values[s.Key] = make([]string, len(all))
				keys = append(keys, s.Key)
			}
			values[s.Key][i] = s.Value
		}
	}
	var out []Difference
	for _, k := range keys {
		for _, v := range values[k][1:] {
			if v != values[k][0] {
				out = append(out, Difference{k, values[k]})
				break
			}
		}
	}
	return out, nil
}

// Nearest is the preset that a configuration differs least from, in the number of
// keys, among those of its task and family. It is "" if there is none.
func (c *Config) Nearest() (name string, differing []Difference, err error) {
	for _, preset := range Presets() {
		p, err := Load(preset)
		if err != nil {
			return "", nil, err
		}
		if p.Task != c.Task || p.Model.Name != c.Model.Name {
			continue
		}
		d, err := Differences(p, c)
		if err != nil {
			return "", nil, err
		}
		if name == "" || len(d) < len(differing) {
			name, differing = preset, d
		}
	}
	return name, differing, nil
}
