package configs

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// KeyFor returns the full key that a word most likely means. The word may lack a section, have a wrong one,
// or be misspelt, such as batchsize for train.batch_size. KeyFor returns "" if no key or several fit.
func KeyFor(word string) string {
	last := word[strings.LastIndexByte(word, '.')+1:]
	index := keyIndex()
	if found := index.of[closest(last, index.names)]; len(found) == 1 {
		return found[0]
	}
	return ""
}

// keys is the result of keyIndex.
type keys struct {
	families int
	all      []string
	names    []string            // last parts of the keys
	of       map[string][]string // full keys by last part
	sections map[string]bool     // each ends with a dot
}

var knownKeys atomic.Pointer[keys]

// keyIndex lists the keys of all registered families, once.
func keyIndex() *keys {
	if k := knownKeys.Load(); k != nil && k.families == len(families) {
		return k
	}
	k := &keys{families: len(families), all: listKeys(), of: map[string][]string{}, sections: map[string]bool{"": true}}
	for _, key := range k.all {
		dot := strings.LastIndexByte(key, '.') + 1
		if name := key[dot:]; k.of[name] == nil {
			k.names = append(k.names, name)
		}
		k.of[key[dot:]] = append(k.of[key[dot:]], key)
		k.sections[key[:dot]] = true
	}
	knownKeys.Store(k)
	return k
}

// Keys lists all keys of a configuration with their sections, for every family, each once and in the order
// of a file.
func Keys() []string { return slices.Clone(keyIndex().all) }

func listKeys() (keys []string) {
	seen := map[string]bool{}
	for _, family := range append([]string{""}, FamilyNames()...) {
		c := Default()
		if family != "" {
			c.Model = DefaultModel(family)
		}
		for _, f := range fieldsOf(&c) {
			if !seen[f.key] {
				seen[f.key] = true
				keys = append(keys, f.key)
			}
		}
	}
	slices.SortStableFunc(keys, func(a, b string) int { return cmp.Compare(sectionOrder(a), sectionOrder(b)) })
	return keys
}

// sectionOrder returns the place of a key's section in a file.
func sectionOrder(key string) int {
	section, _, ok := strings.Cut(key, ".")
	if !ok {
		return -1
	}
	return slices.Index(keysOf(reflect.TypeFor[Config]()), section)
}

// keyField is a key with its field.
type keyField struct {
	key   string
	field reflect.StructField
	value reflect.Value
	note  string // name of its comment: Struct.Field, after the family
}

// fieldsOf lists the keys of a configuration with their fields.
func fieldsOf(c *Config) []keyField {
	return fieldsBelow("", "", reflect.ValueOf(c).Elem())
}

func fieldsBelow(section, prefix string, v reflect.Value) (all []keyField) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := keyOf(f)
		switch {
		case f.Type == reflect.TypeFor[Arch]():
			if !v.Field(i).IsNil() {
				all = append(all, fieldsBelow(section, v.FieldByName("Name").String()+".", v.Field(i).Elem())...)
			}
		case !f.IsExported() || name == "-" || name == "":
		case f.Type.Kind() == reflect.Struct:
			all = append(all, fieldsBelow(join(section, name), "", v.Field(i))...)
		default:
			all = append(all, keyField{join(section, name), f, v.Field(i), prefix + v.Type().Name() + "." + f.Name})
		}
	}
	return all
}

// explanations returns the comments of all keys.
var explanations = sync.OnceValue(func() map[string]string {
	notes, err := readComments()
	if err != nil { // impossible: a test reads our source
		return nil
	}
	all := map[string]string{}
	for _, name := range FamilyNames() {
		f, _ := FamilyOf(name)
		if notes.parse(f.Name+".go", []byte(f.Source), f.Name+".") != nil {
			continue
		}
		c := Default()
		c.Model = DefaultModel(name)
		for _, k := range fieldsOf(&c) {
			if text := cmp.Or(notes[k.note], k.field.Tag.Get("doc")); text != "" && all[k.key] == "" {
				all[k.key] = text
			}
		}
	}
	return all
})
