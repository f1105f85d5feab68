package configs

import "gopkg.in/yaml.v3"

// oldKeys were there before, and are read still: checkpoints hold whole configurations.
// Each says the key of today, and what becomes of true and false.
var oldKeys = map[string]struct{ key, yes, no string }{
	"from_ema":    {"from_weights", "auto", "plain"},
	"distill.ema": {"weights", "auto", "plain"},
}

// renamed is a key and its value as they are called today.
func renamed(prefix string, key, value *yaml.Node) (k, v *yaml.Node) {
	old, ok := oldKeys[prefix+key.Value]
	var on bool
	if !ok || value.ShortTag() != "!!bool" || value.Decode(&on) != nil {
		return key, value
	}
	newKey, newValue := *key, *value
	newKey.Value, newValue.Value, newValue.Tag = old.key, old.no, "!!str"
	if on {
		newValue.Value = old.yes
	}
	return &newKey, &newValue
}
