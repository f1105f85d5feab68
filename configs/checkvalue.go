package configs

import (
	"fmt"
	"reflect"

	"gopkg.in/yaml.v3"
)

// CheckValue checks the value of a key by itself: its type, and its range or names. key is the full name,
// and the error begins with it.
func CheckValue(key string, value *yaml.Node) error {
	var wrongType error
	for _, family := range FamilyNames() { // one of them has the key
		c := Default()
		c.Model = DefaultModel(family)
		for _, f := range fieldsOf(&c) {
			if f.key != key {
				continue
			}
			switch f.value.Interface().(type) {
			case Options, []Extra, *ClassWeights:
				return nil // only the whole list can be read
			}
			fresh := reflect.New(f.field.Type)
			if !fits(value, f.field.Type) || value.Decode(fresh.Interface()) != nil {
				wrongType = fmt.Errorf("%s: want %s, got %s", key, typeName(f.field.Type), describe(value))
				continue // another family may have another type
			}
			for _, p := range []*problem{
				checkFinite(key, fresh.Elem()),
				checkLimit(key, fresh.Elem(), mostOfField(key, f.field), longestOf(key, f.field)),
				checkDomain(key, fresh.Elem()),
			} {
				if p != nil {
					return fmt.Errorf("%s: %s", key, p.text)
				}
			}
			return nil
		}
	}
	if wrongType != nil {
		return wrongType
	}
	return fmt.Errorf("%s: unknown key", key)
}

// checkDomain checks a value, or each value of a list, against the domain of its key.
func checkDomain(key string, v reflect.Value) *problem {
	d, ok := DomainOf(key)
	if names := ValuesOf(key); !ok && names != nil && v.Kind() == reflect.String {
		d, ok = Domain{Options: names}, true
	}
	if !ok {
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		if d.Options != nil {
			return oneOf(key, v.String(), d.Options...)
		}
	case reflect.Int:
		return d.check(key, float64(v.Int()))
	case reflect.Float64:
		return d.check(key, v.Float())
	case reflect.Slice:
		if n := v.Len(); n < d.Fewest || d.Longest > 0 && n > d.Longest {
			return wrong(key, "want %d values, got %d", max(d.Fewest, min(n, d.Longest)), n)
		}
		for i := range v.Len() {
			if p := checkDomain(key, v.Index(i)); p != nil {
				return p
			}
		}
	}
	return nil
}

// check returns a problem if v is outside the domain.
func (d Domain) check(key string, v float64) *problem {
	switch {
	case d.has(v):
		return nil
	case d.Numbers != nil:
		return wrong(key, "want one of %v, got %v", d.Numbers, v)
	case v < d.Least:
		return wrong(key, "want %v or more, got %v", d.Least, v)
	case d.Above && v == d.Least:
		return wrong(key, "want a number above %v, got %v", d.Least, v)
	case d.Below && v == d.Most:
		return wrong(key, "want a number below %v, got %v", d.Most, v)
	}
	return wrong(key, "want %v or less, got %v", d.Most, v)
}

// NumericKey reports whether the value of a key is one number, and whether it is an integer.
func NumericKey(key string) (number, integer bool) {
	for _, family := range FamilyNames() {
		c := Default()
		c.Model = DefaultModel(family)
		switch kind, _ := fieldAt(&c, key); kind {
		case "int", "uint64":
			return true, true
		case "float64":
			return true, false
		}
	}
	return false, false
}
