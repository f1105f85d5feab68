package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"reflect"
	"strings"

	"github.com/agnivade/levenshtein"
	"gopkg.in/yaml.v3"
)

// Load reads the configuration with the name of a preset or a file, applies the settings
// ("key.sub=value"), and checks it. The error may be [Problems].
func Load(name string, settings ...string) (*Config, error) {
	c, _, err := LoadGiven(name, settings...)
	return c, err
}

// Parse reads a configuration from YAML text, which may come from anybody. It can start from a preset, but
// not from a file. Errors call the text by name. A text with data.val_fraction and without data.val_split
// comes from an older version, whose rule was shuffle.
func Parse(name, text string, settings ...string) (*Config, error) {
	if p := noFamily(); p != nil {
		return nil, fmt.Errorf("%s: %s: %s", name, p.key, p.text)
	}
	l := newLoader()
	l.noFiles = true
	if err := l.file(name, []byte(text)); err != nil {
		return nil, err
	}
	// Runs of older versions recorded no rule. The images that they held out must stay out.
	if _, set := l.origin["data.val_split"]; !set && l.config.Data.ValFraction > 0 {
		l.config.Data.ValSplit = ShuffleSplit
	}
	l.finish(settings)
	return l.result()
}

// finish applies the settings and checks the configuration.
func (l *loader) finish(settings []string) {
	l.older()
	l.remember()
	for _, s := range settings {
		if err := l.set(s); err != nil {
			l.give(err)
		}
	}
	if l.incomplete {
		return
	}
	l.resolveDataOptions()
	l.resolveExtras()
	if l.config.Task == "localmim" {
		l.config.ownMIM(func(key string) bool { return l.origin[key] != "" })
		l.config.fillMIM()
		if _, set := l.origin["checkpoint.monitor"]; !set {
			l.config.Checkpoint.Monitor = "loss"
		}
	}
	l.chooseMultiLabel()
	if p := l.chooseCrop(); p != nil && !l.wrong["data.test_crop"] && !l.wrong["data.image_size"] {
		l.reportAt(p)
	}
	if l.check(); len(l.problems) == 0 {
		l.config.Notes = append(l.notes(), l.cropNotes()...)
	}
}

// YAML returns the full configuration, as in a run's config.yaml.
func (c *Config) YAML() ([]byte, error) {
	resolved := *c
	resolved.Base = ""
	for _, path := range resolved.paths() {
		if as, ok := c.written[*path]; ok {
			*path = as
		}
	}
	if c.Task != "localmim" {
		resolved.MIM = MIM{}
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(&resolved); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return b.Bytes(), nil
}

// loader reads sources into a configuration and remembers where each key was set.
type loader struct {
	config     *Config
	origin     map[string]string // key → file:line, or the setting
	startsFrom string            // the user's line, file:line, that names the preset being read; "" for none
	depth      int               // number of nested bases
	preset     *inherited        // values of the preset that it starts from, or nil
	void       []string          // settings without effect, before another model.name
	crop       map[string]string // where the keys of the test crop were set, other than by the user

	noFiles bool              // base may only name a preset
	presets map[string]string // file of a preset → line of the user's file that starts from it, or ""

	given struct { // options, which are read last, when the kinds are known
		data   []option // data.options
		extras []extraGiven
	}

	problems   []error
	incomplete bool            // a part could not be read
	wrong      map[string]bool // keys and sections with problems
}

func newLoader() *loader {
	c := Default()
	return &loader{config: &c, origin: map[string]string{}, wrong: map[string]bool{}, presets: map[string]string{}}
}

// source reads a preset or a file. A name with a separator or an extension is a file.
func (l *loader) source(name string) error {
	if p := noFamily(); p != nil {
		return fmt.Errorf("%s: %s: %s", name, p.key, p.text)
	}
	if text, ok := presetText(name); ok {
		file := path.Join("configs", name+".yaml")
		l.presets[file] = l.startsFrom
		err := l.file(file, text)
		l.inherit(name)
		return err
	}
	if l.noFiles || !strings.ContainsAny(name, `/\.`) {
		_, err := PresetText(name)
		return err
	}
	const limit = 1 << 20
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if len(text) > limit {
		return fmt.Errorf("%s: larger than 1 MiB: this is not a configuration file", name)
	}
	return l.file(name, text)
}

func (l *loader) file(name string, text []byte) error {
	var doc yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	err := d.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return nil // an empty file has the defaults
	}
	if err != nil {
		return fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if d.Decode(new(yaml.Node)) == nil {
		return fmt.Errorf("%s: want one YAML document, got more", name)
	}
	root := doc.Content[0]
	l.base(name, root)
	l.changeFamily(root)
	l.changeFormat(root)
	where := func(n *yaml.Node) string { return fmt.Sprintf("%s:%d", name, n.Line) }
	l.decode(root, reflect.ValueOf(l.config).Elem(), "", where)
	return nil
}

// base reads the preset or file that the document starts from.
func (l *loader) base(name string, root *yaml.Node) {
	if root.Kind != yaml.MappingNode {
		return // decode reports the error
	}
	for i := 0; i < len(root.Content); i += 2 {
		if root.Content[i].Value != "base" {
			continue
		}
		line := root.Content[i].Line
		if l.depth++; l.depth > mostBases {
			l.give(fmt.Errorf("%s:%d: base: the chain of files is longer than %d", name, line, mostBases))
			return
		}
		before, outer := len(l.problems), l.startsFrom
		if _, preset := l.presets[name]; !preset { // not from one preset to another
			l.startsFrom = fmt.Sprintf("%s:%d", name, line)
		}
		if err := l.source(root.Content[i+1].Value); err != nil {
			l.give(err)
		}
		l.startsFrom = outer
		for k := before; k < len(l.problems); k++ {
			l.problems[k] = fmt.Errorf("%s:%d: base: %w", name, line, l.problems[k])
		}
	}
}

// set applies one setting, "key.sub=value"; the value is YAML.
func (l *loader) set(setting string) error {
	key, value, ok := strings.Cut(setting, "=")
	if !ok || key == "" {
		return fmt.Errorf("--set %s: want key=value, e.g. train.epochs=10", setting)
	}
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(value), &n); err != nil {
		return fmt.Errorf("--set %s: %s", setting, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	leaf := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
	if value == "" { // a shell makes this of key=""
		leaf.Tag = "!!str"
	}
	if len(n.Content) > 0 {
		leaf = n.Content[0]
	}
	keys := strings.Split(key, ".")
	for i := len(keys) - 1; i >= 0; i-- {
		leaf = &yaml.Node{
			Kind:    yaml.MappingNode,
			Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: keys[i]}, leaf},
		}
	}
	l.changeFamily(leaf)
	l.changeFormat(leaf)
	l.decode(leaf, reflect.ValueOf(l.config).Elem(), "", func(*yaml.Node) string { return "--set " + setting })
	return nil
}

// decode reads a mapping into a struct. Unlike the library it reports unknown and repeated keys, and every
// problem has its key and place.
func (l *loader) decode(n *yaml.Node, v reflect.Value, prefix string, where func(*yaml.Node) string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		name := "the file"
		if prefix != "" {
			name = strings.TrimSuffix(prefix, ".")
		}
		l.report(where(n), name, "want keys and values, got %s", describe(n))
		l.incomplete = l.incomplete || prefix == ""
		return
	}
	parts, store := settable(v)
	defer store()
	seen := map[string]bool{}
	for i := 0; i < len(n.Content) && !l.full(); i += 2 {
		key, value := renamed(prefix, n.Content[i], n.Content[i+1])
		name := prefix + key.Value
		field, known := fieldOf(parts, key.Value)
		if !field.IsValid() {
			if prefix == "model." && ofUnknownFamily(n) {
				continue // the unknown name is the problem, not the keys of that family
			}
			if prefix == "model." && ofOtherFamily(key.Value) {
				l.otherFamily(where(key), key.Value, known)
				continue
			}
			l.unknown(where(key), prefix, key.Value, known)
			continue
		}
		if seen[key.Value] {
			l.report(where(key), name, "the key appears twice")
			continue
		}
		seen[key.Value] = true
		if field.Kind() == reflect.Struct {
			l.decode(value, field, name+".", where)
			continue
		}
		switch field.Addr().Interface().(type) {
		case *Options:
			l.dataOptions(value, where)
			continue
		case *[]Extra:
			l.extras(value, where)
			continue
		case **ClassWeights:
			l.classWeights(name, value, where(key))
			continue
		}
		fresh := reflect.New(field.Type())
		if !fits(value, field.Type()) || value.Decode(fresh.Interface()) != nil {
			l.report(where(key), name, "want %s, got %s", typeName(field.Type()), describe(value))
			continue
		}
		field.Set(fresh.Elem())
		l.origin[name] = where(key)
	}
}

// ofUnknownFamily reports whether a section model names an unregistered family, such as one of another
// program.
func ofUnknownFamily(section *yaml.Node) bool {
	name := valueOf(section, "name")
	if name == nil {
		return false
	}
	_, ok := FamilyOf(name.Value)
	return !ok
}

// otherFamily reports a key that only models of other families have.
func (l *loader) otherFamily(where, key string, known []string) {
	before := len(l.problems)
	l.report(where, "model."+key, "a %s has no such key%s: it has %s",
		l.config.Model.Name, suggest(key, known), strings.Join(known, ", "))
	if before < len(l.problems) {
		l.problems[before] = foreignKey{l.problems[before], "model." + key, where}
	}
}

// foreignKey is a problem with a key that only models of other families have. It is dropped if the family
// changes later.
type foreignKey struct {
	error
	key, where string
}

// fits reports whether a value has a type. The library would convert: 1.5 to 1, for example.
func fits(n *yaml.Node, t reflect.Type) bool {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	tag := n.ShortTag()
	switch t.Kind() {
	case reflect.Slice:
		for _, e := range n.Content {
			if !fits(e, t.Elem()) {
				return false
			}
		}
		return n.Kind == yaml.SequenceNode || t == reflect.TypeFor[Heads]() && tag == "!!int"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return tag == "!!int"
	case reflect.Float32, reflect.Float64:
		return tag == "!!int" || tag == "!!float"
	case reflect.Bool:
		return tag == "!!bool"
	}
	return n.Kind == yaml.ScalarNode && tag != "!!null"
}

// fieldOf finds the field of a key in the parts of a section, and lists all keys.
func fieldOf(parts []reflect.Value, key string) (field reflect.Value, known []string) {
	var of func(parts []reflect.Value)
	of = func(parts []reflect.Value) {
		v := parts[0]
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Type == reflect.TypeFor[Arch]() {
				if len(parts) > 1 {
					of(parts[1:])
				}
				continue
			}
			name := keyOf(f)
			if name == "-" { // no key
				continue
			}
			known = append(known, name)
			if name == key {
				field = v.Field(i)
			}
		}
	}
	of(parts)
	return field, known
}

func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "an integer"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "an integer of 0 or more"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		if t == reflect.TypeFor[Heads]() {
			return "an integer or a list of integers"
		}
		switch t.Elem().Kind() {
		case reflect.Int:
			return "a list of integers"
		case reflect.String:
			return "a list of texts"
		}
		return "a list of numbers"
	}
	return "text"
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return fmt.Sprintf("a list of %d", len(n.Content))
	}
	if n.Tag == "!!null" {
		return "nothing"
	}
	return fmt.Sprintf("%q", n.Value)
}

// suggest proposes the name that a misspelt one most likely means.
func suggest(name string, known []string) string {
	if best := closest(name, known); best != "" {
		return fmt.Sprintf(", did you mean %s?", best)
	}
	return ""
}

// Closest returns the known name that a misspelt one most likely means, or "".
func Closest(name string, known []string) string { return closest(name, known) }

// closest is Closest for a list of names.
func closest(name string, known []string) string {
	best, least := "", len(name)/3+2
	for _, k := range known {
		if d := levenshtein.ComputeDistance(name, k); d < least {
			best, least = k, d
		}
	}
	return best
}
