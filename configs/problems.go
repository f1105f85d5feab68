package configs

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// mostProblems is how many are looked for: a file that is none of ours has one in
// every line.
const mostProblems = 100

// Problems are several things that are wrong with a configuration. The text is that of
// the first.
type Problems []error

func (p Problems) Error() string {
	return fmt.Sprintf("%v (and %d more; config check lists all)", p[0], len(p)-1)
}

// Unwrap gives the problems one by one.
func (p Problems) Unwrap() []error { return p }

// Examined is a configuration with all that is wrong with it.
type Examined struct {
	// Config has defaults in the place of values that cannot be. It is nil if so little
	// could be read that nothing rests on the rest.
	Config   *Config
	Problems []error
	wrong    map[string]bool
}

// Wrong says whether a key, or the section that it is in, is one that has a problem.
func (e *Examined) Wrong(key string) bool { return blames(e.wrong, key) }

// Examine reads a configuration as [Load] does, and does not stop at the first problem.
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

// full says that no more problems are looked for.
func (l *loader) full() bool { return len(l.problems) >= mostProblems }

// give takes an error that leaves the configuration incomplete: what was not read may
// have been meant to fit what was.
func (l *loader) give(err error) {
	l.problems = append(l.problems, err)
	l.incomplete = true
}

// report takes something that is wrong with a key.
func (l *loader) report(where, key, format string, args ...any) {
	if !l.full() {
		l.problems = append(l.problems, fmt.Errorf("%s: %s: %s", where, key, fmt.Sprintf(format, args...)))
	}
	l.wrong[key] = true
}

// unknown reports a key that there is not. The one that is likely meant has not the
// value that it should have.
func (l *loader) unknown(where, prefix, key string, known []string) {
	l.report(where, prefix+key, "unknown key%s", suggest(key, known))
	if meant := closest(key, known); meant != "" {
		l.wrong[prefix+meant] = true
	}
}

// result is the configuration, or what is wrong with it.
func (l *loader) result() (*Config, error) {
	switch len(l.problems) {
	case 0:
		return l.config, nil
	case 1:
		return nil, l.problems[0]
	}
	return nil, Problems(l.problems)
}

// check reports values that cannot be. A check rests on those before it, so after each
// problem the value gives way to the default, and the checks begin again, until one
// blames a key that had its turn. A problem that is about several keys does not count
// if one of them is wrong by itself.
func (l *loader) check() {
	c := l.config
	if p := oneOf("model.name", c.Model.Name, Families...); p != nil {
		l.reportAt(p)
		c.Model = DefaultModel("fasternet") // no other key of the model means anything
		l.wrong["model"] = true
	} else {
		for _, p := range l.checkKeys() {
			l.reportAt(p)
		}
	}
	had := map[string]bool{}
	for !l.full() {
		p := c.check()
		if p == nil || had[p.key] {
			return
		}
		had[p.key] = true
		if touches(l.wrong, p.key) || slices.ContainsFunc(p.others, func(key string) bool { return touches(l.wrong, key) }) {
			l.wrong[p.key] = true // it may be right with a right value there
		} else {
			l.reportAt(p)
		}
		if !c.reset(p.key) {
			return
		}
	}
}

// reportAt reports a problem at the place where its key was set.
func (l *loader) reportAt(p *problem) {
	where, ok := l.origin[p.key]
	if !ok {
		where = "config"
	}
	l.report(where, p.key, "%s", p.text)
}

// blames says whether a key or a section that it is in is among the wrong ones.
func blames(wrong map[string]bool, key string) bool {
	for ; key != ""; key = key[:max(strings.LastIndexByte(key, '.'), 0)] {
		if wrong[key] {
			return true
		}
	}
	return false
}

// touches says whether a key, a section that it is in, or a key in it is wrong.
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

// reset gives a key its default for the family and the task. It is false if there is no
// such key.
func (c *Config) reset(key string) bool {
	d := Default()
	d.Model = DefaultModel(c.Model.Name)
	from, to := reflect.ValueOf(d), reflect.ValueOf(c).Elem()
	for name := range strings.SplitSeq(key, ".") {
		at := slices.IndexFunc(reflect.VisibleFields(to.Type()), func(f reflect.StructField) bool {
			tag, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			return tag == name
		})
		if at < 0 {
			return false
		}
		if from, to = from.Field(at), to.Field(at); to.Kind() != reflect.Struct {
			break
		}
	}
	to.Set(from)
	if c.Task == "localmim" {
		c.fillMIM()
	}
	return true
}
