package configs

import "gopkg.in/yaml.v3"

// oldKeys can still be read, because checkpoints hold whole configurations. Each has its new key, and
// the new values for true and false.
var oldKeys = map[string]struct{ key, yes, no string }{
	"from_ema":    {"from_weights", "auto", "plain"},
	"distill.ema": {"weights", "auto", "plain"},
}

// renamed returns the new key and its values.
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
