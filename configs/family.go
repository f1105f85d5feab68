package configs

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Family is a kind of backbone. It defines the section model of its configurations.
type Family struct {
	Name  string // the value of model.name, e.g. vit
	Title string // in messages, e.g. ViT
	// Default is the model of a file without other keys. Its Arch has the defaults of the family's own
	// keys. Every call makes new slices.
	Default func() Model
	// Source is the Go source of the type of Arch. config show explains the keys with the comments of
	// its fields, or else with their tags doc.
	Source string
}

// Arch is the family's part of the section model: a struct, not a pointer, whose yaml tags are the keys.
// Fields are integers, numbers, texts, booleans, or lists of them. A field may have the tags most, the
// largest value (65536 for integers without it), and longest, the largest length of a list (1000 without it).
//
// An Arch may implement [ImageChecker], [Staged], [Sized] and [Maskable], and must have the methods of
// [BatchNormed] if its models have batch norms. Without ImageChecker every image size is tried. Without
// Staged, a wrong train.frozen_stages is found only when the model is made; without Sized, so is the size
// of its layers.
type Arch interface {
	// Check returns the first impossible value. m is the section with the keys of all families.
	Check(m Model) *Problem
}

// ImageChecker knows which image sizes a model can compute. So an image that is too small is an error
// before the graph is built.
type ImageChecker interface {
	// CheckImage returns nil if images with sides of this many pixels are possible, else a problem with key.
	CheckImage(key string, size int) *Problem
}

// Staged is a model whose first stages or blocks can be frozen.
type Staged interface {
	// Stages returns what train.frozen_stages counts, e.g. "stages", and how many there are.
	Stages() (what string, n int)
	// Blocks returns the number of blocks in all stages. Each has its own parameters.
	Blocks() int
}

// Sized knows the approximate size of its largest layer, so that no configuration makes memory plans
// overflow.
type Sized interface {
	// Outputs returns how many values the largest layer makes from an image with sides of this many pixels.
	Outputs(size int) float64
}

// BatchNormed is a model with batch norms.
type BatchNormed interface {
	// LastSide returns the side of the smallest normalised map, for an image with sides of this many pixels.
	LastSide(size int) int
}

// families lists the families in order of registration.
var families []Family

// RegisterFamily adds a family. Call it before any configuration is read. It panics if the name is taken
// or the family is incomplete.
func RegisterFamily(f Family) {
	var t reflect.Type
	if f.Default != nil {
		t = reflect.TypeOf(f.Default().Arch)
	}
	switch {
	case f.Name == "" || slices.Contains(FamilyNames(), f.Name):
		panic(fmt.Sprintf("configs: RegisterFamily %q: want a new name", f.Name))
	case t == nil || t.Kind() != reflect.Struct:
		panic(fmt.Sprintf("configs: RegisterFamily %q: Default.Arch: want a struct, got %v", f.Name, t))
	}
	if err := checkFields(t); err != nil {
		panic(fmt.Sprintf("configs: RegisterFamily %q: %v", f.Name, err))
	}
	for _, key := range keysOf(t) {
		if slices.Contains(keysOf(reflect.TypeFor[Model]()), key) {
			panic(fmt.Sprintf("configs: RegisterFamily %q: key %s belongs to all models", f.Name, key))
		}
	}
	if f.Title == "" {
		f.Title = f.Name
	}
	families = append(families, f)
}

// checkFields names a field of a family's section that could not be read from a file.
func checkFields(t reflect.Type) error {
	for i := range t.NumField() {
		f := t.Field(i)
		of := f.Type
		if of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if key := keyOf(f); !f.IsExported() || key == "" || key == "-" || f.Anonymous {
			return fmt.Errorf("field %s of %v: want an exported field with a key, e.g. Dim int `yaml:\"dim\"`",
				f.Name, t)
		}
		switch of.Kind() {
		case reflect.Int, reflect.Float64, reflect.String, reflect.Bool:
		default:
			return fmt.Errorf("field %s of %v is a %v: want int, float64, string, bool, or a slice of them",
				f.Name, t, f.Type)
		}
	}
	return nil
}

// FamilyNames returns the values of model.name.
func FamilyNames() []string {
	names := make([]string, len(families))
	for i, f := range families {
		names[i] = f.Name
	}
	return names
}

// FamilyOf finds a family by its name.
func FamilyOf(name string) (Family, bool) {
	for _, f := range families {
		if f.Name == name {
			return f, true
		}
	}
	return Family{}, false
}

// Title returns the name of the family in messages.
func (m Model) Title() string {
	if f, ok := FamilyOf(m.Name); ok {
		return f.Title
	}
	return m.Name
}

// DefaultModel returns the model of a family for a file without other keys. For an unregistered family
// only the name is set.
func DefaultModel(family string) Model {
	var m Model
	if f, ok := FamilyOf(family); ok {
		m = f.Default()
	}
	m.Name = family
	return m
}

// ArchOf returns the family's part of a model.
func ArchOf[A Arch](m Model) (a A, err error) {
	a, ok := m.Arch.(A)
	if !ok {
		return a, fmt.Errorf("configs: model %q has an architecture of type %T: want %T", m.Name, m.Arch, a)
	}
	return a, nil
}

// keyOf returns the key of a field; "" for a part without one.
func keyOf(f reflect.StructField) string {
	key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return key
}

// keysOf lists the keys of a struct, without the keys of its parts.
func keysOf(t reflect.Type) (keys []string) {
	for i := range t.NumField() {
		if key := keyOf(t.Field(i)); key != "" && key != "-" {
			keys = append(keys, key)
		}
	}
	return keys
}

// settable returns the struct of a section whose fields can be set, and for a model also the struct of
// its family. store writes the values back.
func settable(v reflect.Value) (parts []reflect.Value, store func()) {
	m, ok := v.Addr().Interface().(*Model)
	if !ok || m.Arch == nil {
		return []reflect.Value{v}, func() {}
	}
	arch := reflect.New(reflect.TypeOf(m.Arch)).Elem()
	arch.Set(reflect.ValueOf(m.Arch))
	return []reflect.Value{v, arch}, func() { m.Arch = arch.Interface().(Arch) }
}

// Heads are numbers of attention heads. A file may give one number for a list of one.
type Heads []int

// UnmarshalYAML implements yaml.Unmarshaler.
func (h *Heads) UnmarshalYAML(n *yaml.Node) error {
	var one int
	if n.Decode(&one) == nil {
		*h = Heads{one}
		return nil
	}
	var list []int
	if err := n.Decode(&list); err != nil {
		return err
	}
	*h = list
	return nil
}

// MarshalYAML implements yaml.Marshaler. It writes the family's keys where the section has Arch.
func (m Model) MarshalYAML() (any, error) {
	out := &yaml.Node{Kind: yaml.MappingNode}
	return out, encodeKeys(out, reflect.ValueOf(m))
}

func encodeKeys(out *yaml.Node, v reflect.Value) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key := keyOf(f)
		if f.Type == reflect.TypeFor[Arch]() {
			if !v.Field(i).IsNil() {
				if err := encodeKeys(out, v.Field(i).Elem()); err != nil {
					return err
				}
			}
			continue
		}
		if key == "-" {
			continue
		}
		var value yaml.Node
		if err := value.Encode(v.Field(i).Interface()); err != nil {
			return fmt.Errorf("model.%s: %w", key, err)
		}
		if value.Kind == yaml.SequenceNode {
			value.Style = yaml.FlowStyle
			if f.Type == reflect.TypeFor[Heads]() && len(value.Content) == 1 {
				value = *value.Content[0]
			}
		}
		out.Content = append(out.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, &value)
	}
	return nil
}

// changeFamily looks for another model.name in a document before its other keys are read. It discards the
// settings of the old family, even if that has no such key.
func (l *loader) changeFamily(root *yaml.Node) {
	model := valueOf(root, "model")
	if model == nil {
		return
	}
	name := valueOf(model, "name")
	if name == nil || name.Value == l.config.Model.Name {
		return
	}
	if _, ok := FamilyOf(name.Value); !ok {
		return
	}
	l.config.Model = DefaultModel(name.Value)
	forget := func(key, where string) {
		if strings.HasPrefix(where, "--set ") && key != "model.name" {
			l.void = append(l.void, where)
		}
	}
	for key, where := range l.origin {
		if strings.HasPrefix(key, "model.") {
			forget(key, where)
			delete(l.origin, key)
		}
	}
	l.problems = slices.DeleteFunc(l.problems, func(err error) bool {
		var k foreignKey
		if !errors.As(err, &k) {
			return false
		}
		forget(k.key, k.where)
		delete(l.wrong, k.key)
		return true
	})
}

// voidNotes warn about settings without effect, because the family changes after them.
func (l *loader) voidNotes() (notes []string) {
	slices.Sort(l.void)
	for _, setting := range slices.Compact(l.void) {
		notes = append(notes, fmt.Sprintf("%s has no effect: a later model.name sets the defaults of a %s; "+
			"put it after that one",
			setting, l.config.Model.Name))
	}
	return notes
}

// valueOf returns the value of a key in a mapping, or nil.
func valueOf(n *yaml.Node, key string) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// ofOtherFamily reports whether a key that the model lacks belongs to another family.
func ofOtherFamily(key string) bool {
	return slices.ContainsFunc(families, func(f Family) bool {
		return slices.Contains(keysOf(reflect.TypeOf(f.Default().Arch)), key)
	})
}

// Change changes the family's part of a model. It panics if the model has a different family.
func Change[A Arch](m *Model, change func(a *A)) {
	a, err := ArchOf[A](*m)
	if err != nil {
		panic(err)
	}
	change(&a)
	m.Arch = a
}
