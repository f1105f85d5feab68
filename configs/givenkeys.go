package configs

import "strings"

// Given holds the keys that a file, a preset or a setting has set. The value is false if only a preset has
// set the key. All other keys have their defaults.
type Given map[string]bool

// LoadGiven is Load, and also returns the keys that were set.
func LoadGiven(name string, settings ...string) (*Config, Given, error) {
	l := newLoader()
	if err := l.source(name); err != nil {
		return nil, nil, err
	}
	l.finish(settings)
	config, err := l.result()
	if err != nil {
		return nil, nil, err
	}
	given := Given{}
	for key, where := range l.origin {
		given[key] = l.preset == nil || l.preset.origin[key] != where
	}
	return config, given, nil
}

// Model reports whether any key of the architecture was set.
func (g Given) Model() bool {
	for key := range g {
		switch key {
		case "model.num_classes", "model.drop_path_rate", "model.init_std":
		default:
			if strings.HasPrefix(key, "model.") {
				return true
			}
		}
	}
	return false
}
