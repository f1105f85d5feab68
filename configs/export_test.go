package configs

import "reflect"

// Internals of the package for tests.

const MostProblems = mostProblems

var BatchPower = batchPower

func (c *Config) Reset(key string) bool { return c.reset(key) }

// Limited is a key with a number, and its limit; Most is 0 without one.
type Limited struct {
	Family, Key string
	Most        int
}

// Limits lists the limits of all keys, with the keys of every family.
func Limits() (all []Limited) {
	var walk func(family, section string, v reflect.Value)
	walk = func(family, section string, v reflect.Value) {
		t := v.Type()
		for i := range t.NumField() {
			f := t.Field(i)
			key, kind := join(section, keyOf(f)), f.Type.Kind()
			switch {
			case keyOf(f) == "-" || f.Type == reflect.TypeFor[Arch]():
				continue
			case kind == reflect.Struct:
				walk(family, key, v.Field(i))
				continue
			case kind == reflect.Slice:
				kind = f.Type.Elem().Kind()
			}
			if most := mostOfField(key, f); kind == reflect.Int || most > 0 {
				all = append(all, Limited{family, key, most})
			}
		}
	}
	walk("", "", reflect.ValueOf(Default()))
	for _, f := range families {
		walk(f.Name, "model", reflect.ValueOf(f.Default().Arch))
	}
	return all
}

// LimitTable returns the keys in the table of limits.
func LimitTable() (keys []string) {
	for _, l := range limits {
		keys = append(keys, l.key)
	}
	return keys
}

// RateNote returns the note on a preset's learning rate.
func RateNote(preset, opt string, lr float64, presetBatch, batch int) string {
	p := &inherited{preset: preset, optim: Optim{Opt: opt, LR: lr}, batch: presetBatch}
	return p.rateNote(opt, batch)
}
