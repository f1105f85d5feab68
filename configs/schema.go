package configs

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
)

// schema is a JSON Schema, or a part of one.
type schema map[string]any

// Schema returns a JSON Schema (draft 2020-12) for the YAML of a configuration, for editors. It has the keys
// of all registered families, data set formats and augmentations, with their explanations and possible
// values. Rules about several keys are not in it.
func Schema() ([]byte, error) {
	notes, err := readComments()
	if err != nil {
		return nil, err
	}
	c := Default()
	root, err := (&schemaWriter{notes}).section("", reflect.ValueOf(c), allDomains())
	if err != nil {
		return nil, err
	}
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "fasternet-train: a run"
	properties := root["properties"].(schema)
	properties["base"] = schema{
		"description": Explain("base") + ", or a YAML file", "default": "",
		"anyOf": []schema{{"enum": Presets()}, {"type": "string", "pattern": `[/\\.]`}},
	}
	for key, old := range oldKeys {
		at := properties
		section, name, ok := strings.Cut(key, ".")
		if ok {
			at = properties[section].(schema)["properties"].(schema)
		} else {
			name = key
		}
		at[name] = schema{"type": "boolean", "deprecated": true, "description": "the old form of " + old.key}
	}
	return json.MarshalIndent(root, "", "  ")
}

// schemaWriter makes the schemas of sections, with the comments of their fields.
type schemaWriter struct{ notes comments }

// section returns the schema of a struct: a mapping without other keys.
func (w *schemaWriter) section(name string, v reflect.Value, domains map[string]Domain) (schema, error) {
	properties := schema{}
	out := schema{"type": "object", "additionalProperties": false, "properties": properties}
	if text := w.notes[v.Type().Name()]; text != "" && name != "" {
		out["description"] = text
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key := keyOf(f)
		if !f.IsExported() || key == "-" || key == "" {
			continue // also the family's part, which model adds
		}
		full := join(name, key)
		var s schema
		var err error
		if f.Type.Kind() == reflect.Struct {
			s, err = w.section(full, v.Field(i), domains)
		} else {
			s, err = leaf(full, f, v.Field(i), domains)
		}
		if err != nil {
			return nil, err
		}
		properties[key] = s
	}
	switch v.Type() {
	case reflect.TypeFor[Model]():
		return out, w.families(out)
	case reflect.TypeFor[Data]():
		formats(out)
		return out, nil
	}
	return out, nil
}

// leaf returns the schema of a value.
func leaf(key string, f reflect.StructField, v reflect.Value, domains map[string]Domain) (schema, error) {
	d, ok := domains[key]
	if !ok {
		d = anyNumber()
	}
	var s schema
	switch t := f.Type; {
	case t == reflect.TypeFor[Options]():
		s = schema{"type": "object"}
	case t == reflect.TypeFor[[]Extra]():
		s = schema{"type": "array", "items": extraSchema(), "maxItems": longestOf(key, f)}
	case t == reflect.TypeFor[*ClassWeights]():
		weight := schema{"type": "number", "minimum": 0}
		s = schema{"anyOf": []schema{
			{"enum": weightRules},
			{"type": "array", "items": weight},
			{"type": "object", "additionalProperties": weight},
		}}
	case t.Kind() == reflect.Slice:
		items, err := scalar(key, t.Elem().Kind(), d, mostOfField(key, f))
		if err != nil {
			return nil, err
		}
		s = schema{"type": "array", "items": items, "maxItems": longestOf(key, f)}
		if d.Longest > 0 {
			s["maxItems"] = d.Longest
		}
		if d.Fewest > 0 {
			s["minItems"] = d.Fewest
		}
		if t == reflect.TypeFor[Heads]() {
			s = schema{"anyOf": []schema{items, s}}
		}
	default:
		var err error
		if s, err = scalar(key, t.Kind(), d, mostOfField(key, f)); err != nil {
			return nil, err
		}
		if key == "model.name" {
			s = schema{"enum": FamilyNames()}
		}
		if names := dataNames(); key == "data.name" && names != nil {
			s = schema{"enum": names}
		}
		s["default"] = v.Interface()
	}
	text := cmp.Or(Explain(key), f.Tag.Get("doc"))
	if text != "" {
		s["description"] = text
	}
	return s, nil
}

// scalar returns the schema of one value, or of each item of a list.
func scalar(key string, kind reflect.Kind, d Domain, most int) (schema, error) {
	s := schema{}
	switch kind {
	case reflect.String:
		if d.Options != nil {
			return schema{"enum": d.Options}, nil
		}
		// A number is also a text, such as the name of a folder.
		return schema{"type": []string{"string", "number", "boolean"}, "maxLength": mostText}, nil
	case reflect.Bool:
		return schema{"type": "boolean"}, nil
	case reflect.Int:
		s["type"] = "integer"
	case reflect.Uint64:
		s["type"], s["minimum"] = "integer", 0
	case reflect.Float64:
		s["type"] = "number"
	default:
		return nil, fmt.Errorf("configs: no schema for %s, a %v", key, kind)
	}
	if d.Numbers != nil {
		return schema{"enum": d.Numbers}, nil
	}
	if most > 0 && float64(most) < d.Most {
		d.Most, d.Below = float64(most), false
	}
	if least := "minimum"; !math.IsInf(d.Least, -1) {
		if d.Above {
			least = "exclusiveMinimum"
		}
		s[least] = d.Least
	}
	if largest := "maximum"; d.Most < math.MaxFloat64 {
		if d.Below {
			largest = "exclusiveMaximum"
		}
		s[largest] = d.Most
	}
	return s, nil
}

// families adds the keys of the families to the schema of section model: with model.name, only the keys of
// that family.
func (w *schemaWriter) families(out schema) error {
	properties := out["properties"].(schema)
	var common []string
	for key := range properties {
		common = append(common, key)
	}
	union := map[string][]schema{}
	var keys []string
	var cases []schema
	for _, name := range FamilyNames() {
		arch := reflect.ValueOf(DefaultModel(name).Arch)
		domains := familyDomains(name)
		own := schema{}
		all := slices.Clone(common)
		for i := range arch.NumField() {
			f := arch.Type().Field(i)
			key := keyOf(f)
			s, err := leaf("model."+key, f, arch.Field(i), domains)
			if err != nil {
				return err
			}
			own[key] = s
			all = append(all, key)
			if union[key] == nil {
				keys = append(keys, key)
			}
			union[key] = append(union[key], s)
		}
		slices.Sort(all)
		cases = append(cases, schema{
			"if":   schema{"properties": schema{"name": schema{"const": name}}, "required": []string{"name"}},
			"then": schema{"properties": own, "propertyNames": schema{"enum": all}},
		})
	}
	for _, key := range keys {
		if len(union[key]) == 1 {
			properties[key] = union[key][0]
			continue
		}
		properties[key] = schema{"anyOf": union[key], "description": Explain("model." + key)}
	}
	if cases != nil {
		out["allOf"] = cases
	}
	return nil
}

// formats adds the keys of each data set format to the schema of section data.
func formats(out schema) {
	var cases []schema
	for _, f := range DataFormats() {
		then := schema{}
		for _, key := range FormatKeys {
			if !f.takes(key) {
				usual := ""
				if key == "label_kind" {
					usual = "auto"
				}
				then[key] = schema{"const": usual}
			}
		}
		then["options"] = schema{"type": "object", "maxProperties": 0}
		if o := f.options(); o != nil {
			then["options"] = schema{"type": "object", "additionalProperties": false, "properties": kindSchema(o)}
		}
		cases = append(cases, schema{
			"if":   schema{"properties": schema{"name": schema{"const": f.Name}}, "required": []string{"name"}},
			"then": schema{"properties": then},
		})
	}
	if cases != nil {
		out["allOf"] = cases
	}
}

// kindSchema returns the schema of a kind's options: their types, not their own checks.
func kindSchema(options any) schema {
	properties := schema{}
	v := reflect.ValueOf(options).Elem()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		s, err := leaf("options."+keyOf(f), f, v.Field(i), nil)
		if err != nil { // a type that only its own code reads
			s = schema{}
		}
		properties[keyOf(f)] = s
	}
	return properties
}

// extraSchema returns the schema of an augmentation: a name, or a mapping with options.
func extraSchema() schema {
	known := Augmentations()
	if known == nil {
		return schema{}
	}
	kinds := []schema{{"enum": kindNames(known)}}
	for _, k := range known {
		properties := schema{}
		if o := k.options(); o != nil {
			properties = kindSchema(o)
		}
		properties[extraName] = schema{"const": k.Name, "description": k.Doc}
		properties[extraProb] = schema{"type": "number", "minimum": 0, "maximum": 1, "default": 1}
		kinds = append(kinds, schema{
			"type":                 "object",
			"additionalProperties": false,
			"required":             []string{extraName},
			"properties":           properties,
		})
	}
	return schema{"anyOf": kinds}
}
