package sweep

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"fasternet/configs"

	"gopkg.in/yaml.v3"
)

// Values of search.
const (
	Random = "random" // every trial is trained to the end
	Grid   = "grid"   // every combination of the choices, in order
	ASHA   = "asha"   // asynchronous successive halving (Li et al., 2018)
)

// Searches are the values of search.
var Searches = []string{Random, Grid, ASHA}

// Plan is the content of a sweep file.
type Plan struct {
	Path     string // of the file, for messages; may be empty
	Config   string // preset or YAML file that all trials start from
	Search   string
	Trials   int // number of trials; for a grid all combinations
	Seed     uint64
	Metric   string // top1 or loss; "" for checkpoint.monitor of the configuration
	Parallel int    // trials at once; they share the threads
	Settings []string
	Space    []Dimension
	Noun     string // name of a trial in messages; "" for trial

	// For asha: trials are first compared after MinEpochs, and one of Reduction continues.
	MinEpochs int
	Reduction int
}

func (p *Plan) noun() string { return cmp.Or(p.Noun, "trial") }

// Folds returns the plan of a cross-validation: a run for each fold (data.fold).
func Folds(config string, folds int) *Plan {
	p := &Plan{
		Path: config, Config: config, Search: Grid, Trials: folds, Parallel: 1, Noun: "fold",
		Settings: []string{fmt.Sprintf("data.folds=%d", folds)},
		Space:    []Dimension{{Key: "data.fold", Range: Range{Kind: Choice}}},
	}
	for f := range folds {
		p.Space[0].Choices = append(p.Space[0].Choices, strconv.Itoa(f+1))
	}
	return p
}

// Dimension is a key to search, with its values.
type Dimension struct {
	Key  string
	Line int
	Range
}

// mostTrials limits the effect of a typing error.
const mostTrials = 100_000

// Read reads a sweep file. Every error names the file and the line.
func Read(path string) (*Plan, error) {
	const limit = 1 << 20
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("sweep: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("sweep: %w", err)
	}
	if len(text) > limit {
		return nil, fmt.Errorf("%s: larger than 1 MiB: this is not a sweep file", path)
	}
	return Parse(path, text)
}

// reader reads a sweep file.
type reader struct {
	path string
	plan *Plan
}

func (r *reader) wrong(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", r.path, n.Line, fmt.Sprintf(format, args...))
}

// keys are the keys of a sweep file.
var keys = []string{"config", "search", "trials", "seed", "metric", "parallel", "settings", "space", "asha"}

// Parse reads the text of a sweep file. Errors call it by the path. Parse checks each setting by itself; whether
// settings fit together is checked for each trial.
func Parse(path string, text []byte) (*Plan, error) {
	var doc yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s: the file is empty: want at least config and space", path)
		}
		return nil, fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	r := &reader{path, &Plan{Path: path, Search: Random, Parallel: 1, MinEpochs: 1, Reduction: 3}}
	root := doc.Content[0]
	found, err := r.mapping(root, "the file", keys)
	if err != nil {
		return nil, err
	}
	p := r.plan
	for _, key := range keys { // in this order: later ones need earlier ones
		n := found[key]
		if n == nil {
			continue
		}
		switch key {
		case "config":
			err = r.text(n, key, &p.Config)
		case "search":
			if err = r.text(n, key, &p.Search); err == nil && !slices.Contains(Searches, p.Search) {
				err = r.wrong(n, "search: want %s, got %q%s",
					strings.Join(Searches, " or "), p.Search, meant(p.Search, Searches))
			}
		case "trials":
			err = r.integer(n, key, 1, mostTrials, &p.Trials)
		case "seed":
			if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || n.Decode(&p.Seed) != nil {
				err = r.wrong(n, "seed: want an integer of 0 or more, got %s", show(n))
			}
		case "metric":
			if err = r.text(n, key, &p.Metric); err == nil && p.Metric != "top1" && p.Metric != "loss" {
				err = r.wrong(n, "metric: want top1 or loss, got %q", p.Metric)
			}
		case "parallel":
			err = r.integer(n, key, 1, 1024, &p.Parallel)
		case "settings":
			err = r.settings(n)
		case "space":
			err = r.space(n)
		case "asha":
			err = r.asha(n)
		}
		if err != nil {
			return nil, err
		}
	}
	switch {
	case p.Config == "":
		return nil, r.wrong(root, "config: want a preset or a YAML file for all trials to start from")
	case len(p.Space) == 0:
		return nil, r.wrong(root, "space: want the keys to search, e.g. optim.lr: {log_uniform: [1e-4, 1e-2]}")
	case p.Search != Grid && p.Trials == 0:
		return nil, r.wrong(root, "trials: want a number, e.g. trials: 20")
	case p.Search != ASHA && found["asha"] != nil:
		return nil, r.wrong(found["asha"], "asha: needs search: asha, got %s", p.Search)
	}
	if p.Search == Grid {
		return p, r.grid(found)
	}
	return p, nil
}

// grid counts the combinations of a grid.
// grid counts the combinations of a grid.
func (r *reader) grid(found map[string]*yaml.Node) error {
	p := r.plan
	if n := found["trials"]; n != nil {
		return r.wrong(n, "trials: a grid has one trial per combination: leave it out")
	}
	p.Trials = 1
	for _, d := range p.Space {
		if d.Kind != Choice {
			return fmt.Errorf("%s:%d: space.%s: a grid needs a list of values, got a range: %s",
				r.path, d.Line, d.Key, d.Range)
		}
		if p.Trials *= len(d.Choices); p.Trials > mostTrials {
			return fmt.Errorf("%s:%d: space: the grid has more than %d combinations", r.path, d.Line, mostTrials)
		}
	}
	return nil
}

// mapping returns the values of a mapping by key. All keys must be known.
func (r *reader) mapping(n *yaml.Node, what string, known []string) (map[string]*yaml.Node, error) {
	if n.Kind != yaml.MappingNode {
		return nil, r.wrong(n, "%s: want keys and values, got %s", what, show(n))
	}
	found := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		switch {
		case known != nil && !slices.Contains(known, key.Value):
			return nil, r.wrong(key, "%s: unknown key%s; there are %s",
				key.Value, meant(key.Value, known), strings.Join(known, ", "))
		case found[key.Value] != nil:
			return nil, r.wrong(key, "%s: the key appears twice", key.Value)
		}
		found[key.Value] = n.Content[i+1]
	}
	return found, nil
}

func (r *reader) text(n *yaml.Node, key string, to *string) error {
	if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" || n.Value == "" {
		return r.wrong(n, "%s: want a text, got %s", key, show(n))
	}
	*to = n.Value
	return nil
}

func (r *reader) integer(n *yaml.Node, key string, least, most int, to *int) error {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || n.Decode(to) != nil || *to < least || *to > most {
		return r.wrong(n, "%s: want an integer from %d to %d, got %s", key, least, most, show(n))
	}
	return nil
}

// settings reads the settings of all trials.
func (r *reader) settings(n *yaml.Node) error {
	if _, err := r.mapping(n, "settings", nil); err != nil {
		return err
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if err := r.known(key, "settings"); err != nil {
			return err
		}
		if err := configs.CheckValue(key.Value, value); err != nil {
			return r.wrong(value, "settings.%v", err)
		}
		r.plan.Settings = append(r.plan.Settings, key.Value+"="+flow(value))
	}
	return nil
}

// known checks that a node is the full key of a configuration.
func (r *reader) known(key *yaml.Node, section string) error {
	all := configs.Keys()
	if slices.Contains(all, key.Value) && key.Value != "base" {
		return nil
	}
	hint := ""
	switch full := configs.KeyFor(key.Value); {
	case slices.ContainsFunc(all, func(k string) bool { return strings.HasPrefix(k, key.Value+".") }):
		hint = fmt.Sprintf(": this is a section; write the full key, e.g. %s", firstBelow(all, key.Value))
	case full != "":
		hint = ", did you mean " + full + "?"
	default:
		hint = meant(key.Value, all)
	}
	return r.wrong(key, "%s.%s: unknown key%s", section, key.Value, hint)
}

func firstBelow(all []string, section string) string {
	at := slices.IndexFunc(all, func(k string) bool { return strings.HasPrefix(k, section+".") })
	return all[at]
}

// space reads the keys to search.
func (r *reader) space(n *yaml.Node) error {
	if _, err := r.mapping(n, "space", nil); err != nil {
		return err
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if err := r.known(key, "space"); err != nil {
			return err
		}
		at := slices.IndexFunc(r.plan.Settings, func(s string) bool { return strings.HasPrefix(s, key.Value+"=") })
		if at >= 0 {
			return r.wrong(key, "space.%s: the key is also in settings: remove one", key.Value)
		}
		g, err := r.rangeOf(key.Value, value)
		if err != nil {
			return err
		}
		r.plan.Space = append(r.plan.Space, Dimension{key.Value, key.Line, g})
	}
	return nil
}

// asha reads the options of successive halving.
func (r *reader) asha(n *yaml.Node) error {
	known := []string{"min_epochs", "reduction"}
	found, err := r.mapping(n, "asha", known)
	if err != nil {
		return err
	}
	if n := found["min_epochs"]; n != nil {
		err = r.integer(n, "asha.min_epochs", 1, 1_000_000, &r.plan.MinEpochs)
	}
	if n := found["reduction"]; n != nil && err == nil {
		err = r.integer(n, "asha.reduction", 2, 100, &r.plan.Reduction)
	}
	return err
}

// meant proposes a name for one that does not exist.
func meant(name string, known []string) string {
	if best := configs.Closest(name, known); best != "" {
		return ", did you mean " + best + "?"
	}
	return ""
}

// show describes a YAML value in words.
func show(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "keys and values"
	case n.Kind == yaml.SequenceNode:
		return fmt.Sprintf("a list of %d", len(n.Content))
	case n.ShortTag() == "!!null":
		return "nothing"
	}
	return fmt.Sprintf("%q", n.Value)
}

// flow formats a YAML value on one line.
func flow(n *yaml.Node) string {
	one := *n
	one.Style |= yaml.FlowStyle
	text, err := yaml.Marshal(&one)
	if err != nil { // impossible: it was just read
		return n.Value
	}
	return strings.TrimSpace(string(text))
}
