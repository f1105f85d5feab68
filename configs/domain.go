package configs

import (
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Domain describes the possible values of a key, or of each item of its list, whatever other keys say.
type Domain struct {
	Options []string // possible texts; nil for any text
	Least   float64  // smallest number; -Inf for no limit
	Most    float64  // largest number; +Inf for no limit
	Above   bool     // exclude Least
	Below   bool     // exclude Most
	Numbers []int    // the only possible numbers; nil for all between Least and Most

	Fewest  int // smallest length of a list
	Longest int // largest length of a list; 0 for no limit
}

// Shorthands for the domains of most numbers.
func anyNumber() Domain              { return Domain{Least: math.Inf(-1), Most: math.Inf(1)} }
func from(least float64) Domain      { return Domain{Least: least, Most: math.Inf(1)} }
func positive() Domain               { return Domain{Most: math.Inf(1), Above: true} }
func between(lo, hi float64) Domain  { return Domain{Least: lo, Most: hi} }
func share() Domain                  { return Domain{Most: 1, Above: true} }
func below(lo, hi float64) Domain    { return Domain{Least: lo, Most: hi, Below: true} } // from lo
func amid(lo, hi float64) Domain     { return Domain{Least: lo, Most: hi, Above: true, Below: true} }
func (d Domain) values(n int) Domain { d.Fewest, d.Longest = n, n; return d }

// has reports whether the domain contains a number.
func (d Domain) has(v float64) bool {
	switch {
	case v < d.Least, v > d.Most, d.Above && v == d.Least, d.Below && v == d.Most:
		return false
	}
	return d.Numbers == nil || slices.Contains(d.Numbers, int(v))
}

// inside returns a problem with this text if a number is outside a domain.
func inside(key string, v float64, d Domain, format string, args ...any) *problem {
	record(key, d)
	if d.has(v) {
		return nil
	}
	return wrong(key, format, args...)
}

// each returns a problem if a list has numbers outside a domain, or another length.
func each(key string, list []float64, d Domain, format string, args ...any) *problem {
	record(key, d)
	if len(list) < d.Fewest || d.Longest > 0 && len(list) > d.Longest {
		return wrong(key, format, args...)
	}
	for _, v := range list {
		if !d.has(v) {
			return wrong(key, format, args...)
		}
	}
	return nil
}

// The checks also define what values are possible. While a recording runs, each check records the domain
// of its key. So the schema and the checks cannot differ, and new families and keys are included.
var recording atomic.Pointer[recorder]

type recorder struct {
	mu      sync.Mutex
	domains map[string]Domain
}

func record(key string, d Domain) {
	r := recording.Load()
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, ok := r.domains[key]; ok {
		d = old.and(d)
	}
	r.domains[key] = d
}

// and returns the values in both domains.
func (d Domain) and(o Domain) Domain {
	if d.Options == nil {
		d.Options = o.Options
	}
	if d.Numbers == nil {
		d.Numbers = o.Numbers
	}
	if o.Least > d.Least || o.Least == d.Least && o.Above {
		d.Least, d.Above = o.Least, o.Above
	}
	if o.Most < d.Most || o.Most == d.Most && o.Below {
		d.Most, d.Below = o.Most, o.Below
	}
	d.Fewest = max(d.Fewest, o.Fewest)
	if d.Longest == 0 || o.Longest > 0 && o.Longest < d.Longest {
		d.Longest = o.Longest
	}
	return d
}

// or returns the values in either domain.
func (d Domain) or(o Domain) Domain {
	switch {
	case slices.Equal(d.Options, o.Options):
	case d.Options == nil || o.Options == nil:
		d.Options = nil
	default:
		d.Options = slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(d.Options), o.Options...))))
	}
	if d.Numbers == nil || o.Numbers == nil {
		d.Numbers = nil
	}
	if o.Least < d.Least || o.Least == d.Least && !o.Above {
		d.Least, d.Above = o.Least, o.Above
	}
	if o.Most > d.Most || o.Most == d.Most && !o.Below {
		d.Most, d.Below = o.Most, o.Below
	}
	d.Fewest = min(d.Fewest, o.Fewest)
	if d.Longest == 0 || o.Longest == 0 {
		d.Longest = 0
	}
	d.Longest = max(d.Longest, o.Longest)
	return d
}

// familyDomains returns the domains that the checks record for a family's default configuration.
func familyDomains(family string) map[string]Domain {
	recordingNow.Lock()
	defer recordingNow.Unlock()
	r := &recorder{domains: map[string]Domain{}}
	recording.Store(r)
	defer recording.Store(nil)
	for _, c := range defaultsOf(family) {
		c.check(true)
	}
	return r.domains
}

// recordingNow allows only one recording at a time.
var recordingNow sync.Mutex

// defaultsOf returns the default configurations of a family, one per task.
func defaultsOf(family string) (all []*Config) {
	for _, task := range Tasks {
		c := Default()
		c.Task = task
		if family != "" {
			c.Model = DefaultModel(family)
		}
		if task == "localmim" {
			if _, ok := c.Model.Arch.(Maskable); !ok {
				continue
			}
			c.ownMIM(func(string) bool { return false })
			c.fillMIM()
			c.Checkpoint.Monitor = "loss"
		}
		all = append(all, &c)
	}
	return all
}

var allDomains = sync.OnceValue(func() map[string]Domain {
	all := map[string]Domain{}
	for _, family := range FamilyNames() {
		for key, d := range familyDomains(family) {
			if old, ok := all[key]; ok {
				d = old.or(d)
			}
			all[key] = d
		}
	}
	return all
})

// DomainOf returns the possible values of a key, for any family. ok is false if only the type limits them.
func DomainOf(key string) (d Domain, ok bool) {
	d, ok = allDomains()[key]
	return d, ok
}

// ValuesOf lists the values of a key with few values; nil for others.
func ValuesOf(key string) (values []string) {
	switch key {
	case "model.name":
		return FamilyNames()
	case "data.name":
		return dataNames()
	case "base":
		return Presets()
	case "augment.extra":
		for _, name := range kindNames(Augmentations()) {
			values = append(values, "["+name+"]")
		}
		return values
	}
	if key == "loss.class_weights" {
		return weightRules
	}
	if d, ok := DomainOf(key); ok && d.Options != nil {
		return d.Options
	}
	for _, family := range FamilyNames() {
		c := Default()
		c.Model = DefaultModel(family)
		if v, ok := fieldAt(&c, key); ok && v == "bool" {
			return []string{"true", "false"}
		}
	}
	return nil
}

// fieldAt returns the kind of a key's type.
func fieldAt(c *Config, key string) (kind string, ok bool) {
	for _, f := range fieldsOf(c) {
		if f.key == key {
			return f.value.Kind().String(), true
		}
	}
	return "", false
}

// Explain returns the explanation of a key in config show; "" if it has none.
func Explain(key string) string { return strings.TrimSpace(explanations()[key]) }
