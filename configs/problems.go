package configs

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// mostProblems limits the problems that are collected: a file of another program may have one in every line.
const mostProblems = 100

// Problems are several errors in a configuration. The text shows the first one.
type Problems []error

func (p Problems) Error() string {
	return fmt.Sprintf("%v (and %d more; config check lists all)", p[0], len(p)-1)
}

// Unwrap returns the problems one by one.
func (p Problems) Unwrap() []error { return p }

// Examined is a configuration with all of its problems.
type Examined struct {
	// Config has defaults in place of impossible values. It is nil if a part of the configuration could
	// not be read.
	Config   *Config
	Problems []error
	wrong    map[string]bool
}

// Wrong reports whether a key, or a section that contains it, has a problem.
func (e *Examined) Wrong(key string) bool { return blames(e.wrong, key) }

// Examine reads a configuration as [Load] does, but does not stop at the first problem.
func Examine(name string, settings ...string) *Examined {
	l := newLoader()
	if err := l.source(name); err != nil {
		l.give(err)
	}
	l.finish(settings)
	e := &Examined{Config: l.config, Problems: l.problems, wrong: l.wrong}
	if l.incomplete {
		e.Config = nil
	}
	return e
}

// full reports whether enough problems have been collected.
func (l *loader) full() bool { return len(l.problems) >= mostProblems }

// give adds an error that leaves the configuration incomplete. Then the values are not checked, because the
// unread part may change them.
func (l *loader) give(err error) {
	l.problems = append(l.problems, err)
	l.incomplete = true
}

// report adds a problem with a key.
func (l *loader) report(where, key, format string, args ...any) {
	if !l.full() {
		l.problems = append(l.problems, fmt.Errorf("%s: %s: %s", where, key, fmt.Sprintf(format, args...)))
	}
	l.wrong[key] = true
}

// unknown reports a key that does not exist. The key that is probably meant counts as wrong too, because it
// does not have the intended value.
func (l *loader) unknown(where, prefix, key string, known []string) {
	// A key of exactly this name in another section is probably meant.
	full := KeyFor(key)
	if l.isSection(prefix) && full != "" && (strings.HasSuffix("."+full, "."+key) || closest(key, known) == "") {
		l.report(where, prefix+key, "unknown key, did you mean %s?", full)
		l.wrong[full] = true
		return
	}
	l.report(where, prefix+key, "unknown key%s", suggest(key, known))
	if meant := closest(key, known); meant != "" {
		l.wrong[prefix+meant] = true
	}
}

// isSection reports whether a prefix belongs to our own keys, not to options.
func (l *loader) isSection(prefix string) bool { return keyIndex().sections[prefix] }

// result returns the configuration, or the problems as an error.
func (l *loader) result() (*Config, error) {
	switch len(l.problems) {
	case 0:
		return l.config, nil
	case 1:
		return nil, l.problems[0]
	}
	return nil, Problems(l.problems)
}

// check reports impossible values. Each check relies on the checks before it. So after a problem the key gets
// its default, and the checks start again, until a check blames the same key twice. A problem that involves
// several keys is not reported if one of them is wrong by itself.
func (l *loader) check() {
	c := l.config
	if p := c.Model.checkName(); p != nil {
		l.reportAt(p)
		c.Model = Default().Model // without a family, the other keys mean nothing
		l.wrong["model"] = true
	}
	if c.Model.Arch == nil { // no family is registered
		return
	}
	had := map[string]bool{}
	for !l.full() {
		p := c.check(l.strictName())
		if p == nil || had[p.key] {
			return
		}
		had[p.key] = true
		if touches(l.wrong, p.key) ||
			slices.ContainsFunc(p.others, func(key string) bool { return touches(l.wrong, key) }) {
			l.wrong[p.key] = true // a correct value there may solve it
		} else {
			l.reportAt(p)
		}
		if !c.reset(p.key) {
			return
		}
	}
}

// reportAt reports a problem at the place where its key was set. If the user has not set it, the place is
// another key involved, or the line that starts from the preset.
func (l *loader) reportAt(p *problem) {
	where, ok := l.origin[p.key]
	line, preset := l.presetOf(where)
	if ok && !preset {
		l.report(where, p.key, "%s", p.text)
		return
	}
	from := "its default"
	if ok {
		from = "from " + where
	}
	if key, place := l.ownKey(p); key != "" {
		l.report(place, p.key, "%s (%s is set here; %s is %s)", p.text, key, p.key, from)
		return
	}
	switch {
	case !ok:
		where = "config"
	case line != "":
		where = line + ": base: " + where
	}
	l.report(where, p.key, "%s", p.text)
}

// presetOf reports whether a place is in a preset, and which line of the user's file starts from it.
func (l *loader) presetOf(where string) (line string, ok bool) {
	line, ok = l.presets[where[:max(strings.LastIndexByte(where, ':'), 0)]]
	return line, ok
}

// ownKey returns the first other key of a problem, or in a section it names, that the user has set, and its
// place.
func (l *loader) ownKey(p *problem) (key, where string) {
	for _, other := range p.others {
		for _, k := range slices.Sorted(maps.Keys(l.origin)) {
			if k != other && !strings.HasPrefix(k, other+".") {
				continue
			}
			if _, preset := l.presetOf(l.origin[k]); !preset {
				return k, l.origin[k]
			}
		}
	}
	return "", ""
}

// blames reports whether a key, or a section that contains it, is wrong.
func blames(wrong map[string]bool, key string) bool {
	for ; key != ""; key = key[:max(strings.LastIndexByte(key, '.'), 0)] {
		if wrong[key] {
			return true
		}
	}
	return false
}

// touches reports whether a key, a section that contains it, or a key inside it is wrong.
func touches(wrong map[string]bool, key string) bool {
	if blames(wrong, key) {
		return true
	}
	for w := range wrong {
		if strings.HasPrefix(w, key+".") {
			return true
		}
	}
	return false
}

// reset sets a key to its default for the family and the task. It returns false if the key does not exist.
func (c *Config) reset(key string) bool {
	d := Default()
	d.Model = DefaultModel(c.Model.Name)
	d.MIM = d.Model.defaultMIM()
	ok := set(reflect.ValueOf(c).Elem(), reflect.ValueOf(&d).Elem(), strings.Split(key, "."))
	if ok && c.Task == "localmim" {
		c.fillMIM()
	}
	return ok
}

// set copies the value of a key, given by its parts, from another section of the same type.
func set(to, from reflect.Value, key []string) bool {
	parts, store := settable(to)
	defer store()
	others, _ := settable(from)
	field, _ := fieldOf(parts, key[0])
	if !field.IsValid() {
		return false
	}
	value, _ := fieldOf(others, key[0])
	if field.Kind() == reflect.Struct && len(key) > 1 {
		return set(field, value, key[1:])
	}
	field.Set(value)
	return true
}
