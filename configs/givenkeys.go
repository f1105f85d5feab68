package configs

import "strings"

// Given are the keys that a file, a preset or a setting has set, and whether it was the user: a
// key that only a preset has set is false. All others have their defaults.
type Given map[string]bool

// LoadGiven is Load, and says which keys were set.
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

// Model says whether anything was set of the architecture.
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
