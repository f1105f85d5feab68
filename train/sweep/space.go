package sweep

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"fasternet/configs"
	"fasternet/formats/torch"
	"fasternet/internal/rng"
	"fasternet/model"

	"gopkg.in/yaml.v3"
)

// Kinds of ranges.
const (
	Choice     = "choice"
	Uniform    = "uniform"
	LogUniform = "log_uniform"
	Int        = "int"
	LogInt     = "log_int"
)

var kinds = []string{Choice, Uniform, LogUniform, Int, LogInt}

// Range says where the values of a key come from.
type Range struct {
	Kind    string
	Lo, Hi  float64  // both included
	Choices []string // each is YAML on one line
}

// String returns the range as in the file.
func (g Range) String() string {
	if g.Kind == Choice {
		return "[" + strings.Join(g.Choices, ", ") + "]"
	}
	return fmt.Sprintf("{%s: [%v, %v]}", g.Kind, g.Lo, g.Hi)
}

// rangeOf reads the value of a key in space: a list of choices, or a kind with its ends.
func (r *reader) rangeOf(key string, n *yaml.Node) (g Range, err error) {
	const form = "a list of values, or a range such as {log_uniform: [1e-4, 1e-2]}"
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch n.Kind {
	case yaml.SequenceNode:
		return r.choices(key, n)
	case yaml.MappingNode:
	default:
		return g, r.wrong(n, "space.%s: want %s, got %s; put a value for all trials into settings", key, form, show(n))
	}
	if len(n.Content) != 2 {
		return g, r.wrong(n, "space.%s: want %s, got %d keys", key, form, len(n.Content)/2)
	}
	kind, ends := n.Content[0], n.Content[1]
	if !slices.Contains(kinds, kind.Value) {
		return g, r.wrong(kind, "space.%s.%s: unknown kind of range%s; there are %s",
			key, kind.Value, meant(kind.Value, kinds), strings.Join(kinds, ", "))
	}
	if kind.Value == Choice {
		return r.choices(key, ends)
	}
	g.Kind = kind.Value
	var pair [2]float64
	whole := g.Kind == Int || g.Kind == LogInt
	if ends.Kind != yaml.SequenceNode || len(ends.Content) != 2 {
		return g, r.wrong(ends, "space.%s: want two numbers, the smaller first, e.g. {%s: [1, 10]}, got %s",
			key, g.Kind, show(ends))
	}
	for i, e := range ends.Content {
		tag := e.ShortTag()
		ok := e.Kind == yaml.ScalarNode && (tag == "!!int" || tag == "!!float" && !whole) && e.Decode(&pair[i]) == nil
		if !ok || math.IsNaN(pair[i]) || math.IsInf(pair[i], 0) {
			what := "a number"
			if whole {
				what = "an integer"
			}
			return g, r.wrong(e, "space.%s: want %s, got %s", key, what, show(e))
		}
	}
	g.Lo, g.Hi = pair[0], pair[1]
	switch log := g.Kind == LogUniform || g.Kind == LogInt; {
	case g.Lo > g.Hi:
		return g, r.wrong(ends, "space.%s: the range is reversed: want the smaller number first, got [%v, %v]",
			key, g.Lo, g.Hi)
	case g.Lo == g.Hi:
		return g, r.wrong(ends, "space.%s: the range has only the value %v: put it into settings", key, g.Lo)
	case log && g.Lo <= 0:
		return g, r.wrong(ends, "space.%s: a logarithmic range needs numbers above 0, got %v", key, g.Lo)
	}
	numbers, integers := configs.NumericKey(key)
	switch {
	case !numbers:
		return g, r.wrong(kind, "space.%s: the key is not a number, so it has no range: want a list of values", key)
	case integers && !whole:
		return g, r.wrong(kind, "space.%s: the key is an integer: want {int: [%v, %v]} or {log_int: …}",
			key, math.Ceil(g.Lo), math.Floor(g.Hi))
	}
	// The key must accept both ends, except an end that the range never reaches.
	for i, v := range pair {
		if d, ok := configs.DomainOf(key); ok && (d.Above && v == d.Least || d.Below && v == d.Most) && !whole {
			continue
		}
		if err := configs.CheckValue(key, ends.Content[i]); err != nil {
			return g, r.wrong(ends.Content[i], "space.%v", err)
		}
	}
	return g, nil
}

// choices reads values that the key can have.
func (r *reader) choices(key string, n *yaml.Node) (g Range, err error) {
	g.Kind = Choice
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		return g, r.wrong(n, "space.%s: want a list of values, got %s", key, show(n))
	}
	for _, c := range n.Content {
		if err := configs.CheckValue(key, c); err != nil {
			return g, r.wrong(c, "space.%v", err)
		}
		text := flow(c)
		if slices.Contains(g.Choices, text) {
			return g, r.wrong(c, "space.%s: the value %s appears twice", key, text)
		}
		g.Choices = append(g.Choices, text)
	}
	return g, nil
}

// draw returns a value of the range, as YAML.
func (g Range) draw(r *rand.Rand) string {
	u := r.Float64()
	number := func(v float64) string { return strconv.FormatFloat(min(max(v, g.Lo), g.Hi), 'g', 6, 64) }
	logarithm := func(lo, hi float64) float64 { return math.Exp(math.Log(lo) + u*(math.Log(hi)-math.Log(lo))) }
	whole := func(v float64) string { return strconv.Itoa(int(min(max(math.Floor(v), g.Lo), g.Hi))) }
	switch g.Kind {
	case Choice:
		return g.Choices[min(int(u*float64(len(g.Choices))), len(g.Choices)-1)]
	case Uniform:
		return number(g.Lo + u*(g.Hi-g.Lo))
	case LogUniform:
		return number(logarithm(g.Lo, g.Hi))
	case Int:
		return whole(g.Lo + u*(g.Hi-g.Lo+1))
	case LogInt: // from 0.5 below to 0.5 above, then rounded
		return whole(logarithm(g.Lo-0.5, g.Hi+0.5) + 0.5)
	}
	panic(fmt.Sprintf("sweep: unknown kind of range %q", g.Kind)) // Parse accepts only known kinds
}

// Value is a key with its value in a trial, as YAML.
type Value struct{ Key, Value string }

// Values are the values of a trial, in the order of the file.
type Values []Value

// MarshalJSON implements json.Marshaler. It writes an object with the values as read from YAML.
func (v Values) MarshalJSON() ([]byte, error) {
	out := map[string]any{}
	for _, x := range v {
		var value any
		if err := yaml.Unmarshal([]byte(x.Value), &value); err != nil {
			return nil, err
		}
		out[x.Key] = value
	}
	return json.Marshal(out)
}

// Values returns the values of trial i, counted from 0, for the searched keys. They depend only on the seed, the
// trial and the key, so a sweep can be extended and resumed.
func (p *Plan) Values(i int) Values {
	out := make(Values, len(p.Space))
	if p.Search == Grid { // the last key changes fastest
		for k := len(p.Space) - 1; k >= 0; k-- {
			c := p.Space[k].Choices
			out[k] = Value{p.Space[k].Key, c[i%len(c)]}
			i /= len(c)
		}
		return out
	}
	for k, d := range p.Space {
		out[k] = Value{d.Key, d.draw(rng.New(p.Seed, rng.Sweep, uint64(i), rng.Hash(d.Key)))}
	}
	return out
}

// Trial returns the configuration of trial i, counted from 0.
func (p *Plan) Trial(i int, settings ...string) (*configs.Config, error) {
	all := append(slices.Clone(p.Settings), settings...)
	for _, v := range p.Values(i) {
		all = append(all, v.Key+"="+v.Value)
	}
	return load(p.Config, all)
}

// load reads a configuration. One without a model takes the model of the weights that it starts from, as in train.
func load(name string, settings []string) (*configs.Config, error) {
	c, given, err := configs.LoadGiven(name, settings...)
	if err != nil {
		return nil, err
	}
	adopted, err := model.Adopt(c, given, model.LoadOptions{
		Weights:      torch.Choice(c.FromWeights),
		StateKey:     c.FromStateKey,
		AllowMissing: c.FromAllowMissing,
		AllowNaN:     c.FromAllowNaN,
	})
	if err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	if len(adopted) == 0 {
		return c, nil
	}
	return configs.Load(name, append(adopted, settings...)...)
}
