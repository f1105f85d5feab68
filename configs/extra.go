package configs

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Extra is one augmentation of augment.extra.
type Extra struct {
	Name    string
	Prob    float64 // probability that an image is changed
	Options Options
}

// Keys that every augmentation has.
const (
	extraName = "name"
	extraProb = "prob"
)

// extraForm says in errors how to write an augmentation.
const extraForm = "a name, or keys and values such as {name: solarize, prob: 0.2, threshold: 128}"

// MarshalYAML implements yaml.Marshaler. It writes the options next to the name.
func (e Extra) MarshalYAML() (any, error) {
	out := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	add := func(key string, v any) error {
		var value yaml.Node
		if err := value.Encode(v); err != nil {
			return fmt.Errorf("augment.extra: %s: %w", key, err)
		}
		out.Content = append(out.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, &value)
		return nil
	}
	if err := add(extraName, e.Name); err != nil {
		return nil, err
	}
	if err := add(extraProb, e.Prob); err != nil {
		return nil, err
	}
	for _, key := range e.Options.keys() {
		if err := add(key, e.Options[key]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// extraGiven is an augmentation as written in a file.
type extraGiven struct {
	Extra
	where string
	given []option // its options
}

// extras reads the list augment.extra. It replaces an earlier list.
func (l *loader) extras(list *yaml.Node, where func(*yaml.Node) string) {
	const key = "augment.extra"
	if list.Kind == yaml.AliasNode {
		list = list.Alias
	}
	l.given.extras = nil
	if list.Kind != yaml.SequenceNode {
		l.report(where(list), key, "want a list of items such as %s; got %s", extraForm, describe(list))
		return
	}
	for _, n := range list.Content {
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		e := extraGiven{Extra: Extra{Prob: 1}, where: where(n)}
		switch {
		case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str":
			e.Name = n.Value
		case n.Kind == yaml.MappingNode:
			name := valueOf(n, extraName)
			if name == nil || name.Kind != yaml.ScalarNode || name.ShortTag() != "!!str" {
				l.report(where(n), key, "want %s; this one has no name", extraForm)
				continue
			}
			e.Name = name.Value
			for _, o := range l.collect(n, nil, extraPrefix(e.Name), where) {
				switch o.key.Value {
				case extraName:
				case extraProb:
					var prob float64
					if !fits(o.value, reflect.TypeFor[float64]()) ||
						o.value.Decode(&prob) != nil ||
						!(prob >= 0 && prob <= 1) {
						l.report(where(o.key), extraPrefix(e.Name)+extraProb, "want a number from 0 to 1, got %s",
							describe(o.value))
						continue
					}
					e.Prob = prob
				default:
					e.given = append(e.given, o)
				}
			}
		default:
			l.report(where(n), key, "want %s; got %s", extraForm, describe(n))
			continue
		}
		l.given.extras = append(l.given.extras, e)
	}
	l.origin[key] = where(list)
}

func extraPrefix(name string) string { return "augment.extra." + name + "." }

// resolveExtras completes the options of every augmentation.
func (l *loader) resolveExtras() {
	if l.given.extras == nil {
		return
	}
	known := Augmentations()
	l.config.Augment.Extra = nil
	for _, e := range l.given.extras {
		at := slices.IndexFunc(known, func(k Kind) bool { return k.Name == e.Name })
		var err error
		switch {
		case at >= 0 && (hasKey(known[at].options(), extraName) || hasKey(known[at].options(), extraProb)):
			l.report(e.where, "augment.extra", "%s has an option called %s or %s, names that every augmentation uses",
				e.Name, extraName, extraProb)
		case at >= 0:
			l.origin[strings.TrimSuffix(extraPrefix(e.Name), ".")] = e.where
			e.Options = l.resolve(&known[at], "the augmentation "+e.Name, extraPrefix(e.Name), e.given)
		case known == nil || l.noFiles:
			e.Options, err = plain(e.given)
		default:
			names := kindNames(known)
			l.report(e.where, "augment.extra", "no augmentation is called %q%s; there are %s",
				e.Name, suggest(e.Name, names), listed(names))
			continue
		}
		if err != nil {
			l.report(e.where, "augment.extra", "%v", err)
		}
		l.config.Augment.Extra = append(l.config.Augment.Extra, e.Extra)
	}
}
