package configs

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Kind is one of several things that a key can name, with options of its own: for example a format of
// data sets.
type Kind struct {
	Name string // the value of the key
	Doc  string // one line about it

	// Options returns a pointer to a struct with the default options; nil if there are none. The yaml tags
	// of its fields are the keys, the doc tags explain them. If the struct has a method Check() error, it
	// refuses impossible values; an error of [WrongOption] names the key.
	Options func() any
}

// options returns the defaults of a kind's options, or nil.
func (k *Kind) options() any {
	if k == nil || k.Options == nil {
		return nil
	}
	return k.Options()
}

// registered holds the kinds that other packages have registered. Without them no name can be checked or
// used.
var registered struct {
	formats       func() []DataFormat
	augmentations func() []Kind
}

// KnowDataFormats registers the list of data set formats.
func KnowDataFormats(list func() []DataFormat) { registered.formats = list }

// KnowAugmentations registers the list of augmentations.
func KnowAugmentations(list func() []Kind) { registered.augmentations = list }

// Augmentations lists the values of augment.extra; nil if none are registered.
func Augmentations() []Kind {
	if registered.augmentations == nil {
		return nil
	}
	return registered.augmentations()
}

// WrongOption returns an error of a method Check: it names the key and what is wrong with its value.
func WrongOption(key, format string, args ...any) error {
	return optionError{key, fmt.Sprintf(format, args...)}
}

type optionError struct{ key, text string }

func (e optionError) Error() string { return e.key + ": " + e.text }

// Options holds the values of keys that belong to one kind.
type Options map[string]any

// option is a key that a file or a setting has set.
type option struct {
	key, value *yaml.Node
	where      func(*yaml.Node) string
}

// collect reads the options of a mapping. They replace earlier ones with the same key.
func (l *loader) collect(n *yaml.Node, have []option, prefix string, where func(*yaml.Node) string) []option {
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content) && !l.full(); i += 2 {
		key := n.Content[i]
		if seen[key.Value] {
			l.report(where(key), prefix+key.Value, "the key appears twice")
			continue
		}
		seen[key.Value] = true
		have = slices.DeleteFunc(slices.Clone(have), func(o option) bool { return o.key.Value == key.Value })
		have = append(have, option{key, n.Content[i+1], where})
		l.origin[prefix+key.Value] = where(key)
	}
	return have
}

// plain returns options as written, for an unknown kind.
func plain(given []option) (Options, error) {
	var out Options
	for _, o := range given {
		var v any
		if err := o.value.Decode(&v); err != nil {
			return nil, err
		}
		if out == nil {
			out = Options{}
		}
		out[o.key.Value] = v
	}
	return out, nil
}

// resolve completes the options of a kind. It reports unknown keys and impossible values; what names the
// kind in messages.
func (l *loader) resolve(k *Kind, what, prefix string, given []option) Options {
	if err := k.CheckOptions(); err != nil {
		l.report("config", strings.TrimSuffix(prefix, "."), "%s: %v", k.Name, err)
		return nil
	}
	target := k.options()
	if target == nil {
		for _, o := range given {
			l.report(o.where(o.key), prefix+o.key.Value, "%s has no options; leave it out", what)
		}
		return nil
	}
	v := reflect.ValueOf(target).Elem()
	before := len(l.problems)
	for _, o := range given {
		l.decode(
			&yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{o.key, o.value}},
			v,
			prefix,
			o.where,
		)
	}
	section := strings.TrimSuffix(prefix, ".")
	if len(l.problems) == before {
		for _, check := range []func(string, reflect.Value) *problem{checkFinite, checkLimits} {
			if p := check(section, v); p != nil && len(l.problems) == before {
				l.reportAt(p)
			}
		}
	}
	if c, ok := target.(interface{ Check() error }); ok && len(l.problems) == before {
		if err := c.Check(); err != nil {
			p := wrong(section, "%v", err)
			if e, ok := err.(optionError); ok { //nolint:errorlint // a wrapped error names no key
				p = wrong(prefix+e.key, "%s", e.text)
			}
			l.reportAt(p)
		}
	}
	out, err := optionsOf(target)
	if err != nil {
		l.report("config", section, "%v", err)
	}
	return out
}

// optionsOf returns the fields of a struct of options.
func optionsOf(target any) (out Options, err error) {
	var n yaml.Node
	if err := n.Encode(target); err != nil {
		return nil, err
	}
	return out, n.Decode(&out)
}

// Into writes options into the struct of a kind, which holds the defaults. Errors name keys with the given
// section, such as data.options.
func (o Options) Into(target any, section string) error {
	if len(o) == 0 {
		return nil
	}
	var n yaml.Node
	if err := n.Encode(map[string]any(o)); err != nil {
		return fmt.Errorf("%s: %w", section, err)
	}
	l := newLoader()
	where := func(*yaml.Node) string { return "config" }
	l.resolve(&Kind{Options: func() any { return target }}, "", section+".", l.collect(&n, nil, section+".", where))
	_, err := l.result()
	return err
}

// keys returns the names of the options in order.
func (o Options) keys() []string { return slices.Sorted(maps.Keys(o)) }

// ReadOptions makes the struct of a kind's options from a configuration; nil if the kind has none.
func (k Kind) ReadOptions(given Options, section string) (any, error) {
	if err := k.CheckOptions(); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", section, k.Name, err)
	}
	target := k.options()
	if target == nil {
		for _, key := range given.keys() {
			return nil, fmt.Errorf("%s.%s: %s has no options; leave it out", section, key, k.Name)
		}
		return nil, nil
	}
	return target, given.Into(target, section)
}

// CheckOptions returns an error unless the options are a pointer to a struct whose fields have keys.
func (k Kind) CheckOptions() error {
	target := k.options()
	if target == nil {
		return nil
	}
	t := reflect.TypeOf(target)
	if t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct || reflect.ValueOf(target).IsNil() {
		return fmt.Errorf("its options are a %T: want a pointer to a struct", target)
	}
	for i := range t.Elem().NumField() {
		f := t.Elem().Field(i)
		if name, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); name == "" || !f.IsExported() {
			return fmt.Errorf("field %s of its options has no key: "+
				"want an exported field with a tag such as yaml:\"radius\"",
				f.Name)
		}
	}
	return nil
}

// hasKey reports whether a struct of options has a key.
func hasKey(options any, key string) bool {
	if options == nil {
		return false
	}
	field, _ := fieldOf([]reflect.Value{reflect.ValueOf(options).Elem()}, key)
	return field.IsValid()
}

// kindDoc returns the explanation of an option: the tag doc of its field.
func kindDoc(options any, key string) string {
	if options == nil {
		return ""
	}
	t := reflect.TypeOf(options).Elem()
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ","); name == key {
			return t.Field(i).Tag.Get("doc")
		}
	}
	return ""
}
