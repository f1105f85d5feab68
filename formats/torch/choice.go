package torch

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"fasternet/formats"
)

// Choice says which weights to take from a file that has averaged weights (EMA) and the weights of
// the last step.
type Choice string

// The choices. The zero value is Auto.
const (
	Auto  Choice = "auto"  // the averaged weights if there are any: training programs report these
	Plain Choice = "plain" // the weights of the last step
	EMA   Choice = "ema"   // the averaged weights; an error if there are none
)

// ParseChoice reads a choice; "" is auto.
func ParseChoice(s string) (Choice, error) {
	switch c := Choice(s); c {
	case "":
		return Auto, nil
	case Auto, Plain, EMA:
		return c, nil
	}
	return "", fmt.Errorf("want auto, plain or ema, got %q", s)
}

// ErrNoEMA says that averaged weights were asked for, but the file has none.
var ErrNoEMA = errors.New("no averaged weights")

// plainKeys and emaKeys are the keys under which training programs keep weights, the most usual
// first. If there are several sets under other keys, the user has to choose.
var (
	plainKeys = []string{
		"state_dict", "model_state_dict", "model", "model_state", "net", "network",
		"params", "weights", "module", "backbone", "student", "encoder",
	}
	emaKeys = []string{
		"state_dict_ema", "model_ema", "ema_state_dict", "model_ema_state_dict",
		"ema", "ema_model", "params_ema", "teacher",
	}
)

// notWeights are the beginnings of keys for tensors that are not weights of the network.
var notWeights = []string{"optim", "sched", "scaler", "criterion", "loss", "queue"}

// Limits of the search for networks.
const (
	maxNetworks = 16  // networks in a dictionary, by the first parts of its names
	maxSets     = 256 // dictionaries of tensors
)

// item is a tensor whose values are not read yet.
type item struct {
	name  string
	shape []int
	read  func() (formats.Tensor, error)
}

// set is a dictionary of tensors in a file.
type set struct {
	key      string // where it is in the file, its parts joined by dots
	prefix   string // the prefix that was cut off all names
	items    []item
	left     []string // other things in it, in words
	counted  bool     // it has a counter of updates, as averages have
	averaged bool     // its program says that it is an average
	family   Family   // "" if the network is not known
	naming   Naming
}

// label returns the name of a set for users.
func (s set) label() string {
	return strings.Trim(strings.TrimSuffix(s.key+"."+s.prefix, "."), ".")
}

func (s set) names() []string {
	out := make([]string, len(s.items))
	for i, x := range s.items {
		out[i] = x.name
	}
	return out
}

// resolve makes sets of weights from a dictionary: one set, without the prefixes that all names
// share, or one for each network if it has several under different prefixes.
func resolve(s set) []set { return resolveTo(s, 0) }

func resolveTo(s set, depth int) []set {
	s.items = slices.DeleteFunc(slices.Clone(s.items), func(x item) bool {
		is, sure := isCounter(x.name, elementsOf(x.shape))
		if is {
			s.counted, s.left = s.counted || sure, append(slices.Clone(s.left), formats.Short(x.name))
		}
		return is
	})
	prefix := sharedPrefix(s.names())
	s.trim(prefix)
	var ok bool
	if s.family, s.naming, ok = Recognise(s.names()); ok || depth >= 6 {
		return []set{s}
	}
	var found []set
	parts := firstParts(s.names())
	if len(parts) > maxNetworks { // no file has so many networks
		parts = nil
	}
	for _, part := range parts {
		sub := set{key: s.key, prefix: s.prefix, averaged: s.averaged, left: s.left}
		var rest []item
		for _, x := range s.items {
			if strings.HasPrefix(x.name, part+".") {
				sub.items = append(sub.items, x)
			} else {
				rest = append(rest, x)
			}
		}
		sub.trim(part + ".")
		for _, r := range resolveTo(sub, depth+1) {
			if r.family != "" {
				r.adopt(rest)
				found = append(found, r)
			}
		}
	}
	if len(found) > 0 {
		return found
	}
	weights := slices.DeleteFunc(slices.Clone(s.items), func(x item) bool { return isNotWeights(x.name) })
	if len(weights) > 0 && len(weights) < len(s.items) {
		s.left = append(slices.Clone(s.left),
			fmt.Sprintf("%d tensors of an optimizer or a loss", len(s.items)-len(weights)))
		s.items = weights
		return resolveTo(s, depth+1)
	}
	return []set{s}
}

// isNotWeights says whether a key is for tensors that are not weights.
func isNotWeights(key string) bool {
	return slices.ContainsFunc(notWeights, func(w string) bool { return strings.HasPrefix(strings.ToLower(key), w) })
}

// trim cuts a prefix off all names.
func (s *set) trim(prefix string) {
	items := make([]item, len(s.items))
	for i, x := range s.items {
		x.name = strings.TrimPrefix(x.name, prefix)
		items[i] = x
	}
	s.prefix, s.items = s.prefix+prefix, items
}

// adopt adds the classifier that is next to a backbone, if there is one, and lists all other
// tensors as left out.
func (s *set) adopt(rest []item) {
	parts, left := []string{}, map[string]int{}
	for _, x := range rest {
		official := OfficialName(s.family, s.naming, x.name)
		isHead := official == "head.weight" && len(x.shape) == 2 || official == "head.bias" && len(x.shape) == 1
		if isHead && !slices.Contains(s.names(), x.name) {
			s.items = append(s.items, x)
			continue
		}
		part, _, _ := strings.Cut(x.name, ".")
		if left[part] == 0 {
			parts = append(parts, part)
		}
		left[part]++
	}
	s.left = slices.Clone(s.left)
	for _, p := range parts {
		s.left = append(s.left, fmt.Sprintf("%s (%d tensors)", formats.Short(p), left[p]))
	}
}

func elementsOf(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// parts returns the words of a label, in lower case.
func (s set) parts() []string { return strings.Split(strings.ToLower(s.label()), ".") }

// average says whether the set has averaged weights.
func (s set) average() bool {
	return s.averaged || s.counted || slices.ContainsFunc(s.parts(), func(p string) bool {
		words := strings.FieldsFunc(p, func(r rune) bool { return r == '_' || r == '-' })
		return slices.Contains(words, "ema") ||
			strings.Contains(p, "averaged") ||
			strings.Contains(p, "shadow") ||
			strings.HasPrefix(p, "swa")
	})
}

// rank returns the place of the key in a list of usual keys; all others come last.
func (s set) rank(list []string) int {
	if s.label() == "" { // the file itself
		return -1
	}
	key := s.key
	if key == "" { // one of several networks in the file itself
		key = s.label()
	}
	best := len(list) + 1
	for _, p := range strings.Split(strings.ToLower(key), ".") {
		if i := slices.Index(list, p); i >= 0 {
			best = min(best, i)
		}
	}
	return best
}

// choose picks one of the sets of a file. It lists the others that could be meant, in words.
func choose(sets []set, o Options) (chosen set, others []string, err error) {
	o.complete()
	if o.Choice, err = ParseChoice(string(o.Choice)); err != nil {
		return set{}, nil, fmt.Errorf("which weights to take: %w", err)
	}
	var all []set
	for _, s := range sets {
		all = append(all, resolve(s)...)
	}
	if o.Key != "" {
		if all, err = withKey(all, o); err != nil {
			return set{}, nil, err
		}
	}
	unnamed := unnamedAverages(all)
	all = plausible(all, o.Key != "")
	if len(all) == 0 {
		return set{}, nil, nil
	}
	plain, average := split(all)
	from, keys, rest := plain, plainKeys, average
	switch {
	case o.Key != "" && o.Choice != EMA && o.Choice != Plain: // the key decides
		from, keys, rest = slices.Concat(plain, average), slices.Concat(plainKeys, emaKeys), nil
	case o.Choice == EMA && len(average) == 0:
		return set{}, nil, fmt.Errorf("it holds %w (%s ema), only %s", ErrNoEMA, o.ChoiceOption, labels(plain))
	case o.Choice == Plain && len(plain) == 0:
		return set{}, nil, fmt.Errorf("it holds only averaged weights (%s), no others (%s plain)",
			labels(average), o.ChoiceOption)
	case o.Choice != Plain && len(average) > 0:
		from, keys, rest = average, emaKeys, plain
	}
	slices.SortStableFunc(from, func(a, b set) int { return a.rank(keys) - b.rank(keys) })
	if len(from) > 1 && from[0].rank(keys) == from[1].rank(keys) {
		return set{}, nil, fmt.Errorf("it holds several sets of weights: %s: say which with %s, e.g. %[2]s %s",
			labels(from), o.KeyOption, from[0].label())
	}
	for _, s := range slices.Concat(from[1:], rest) {
		others = append(others, s.describe())
	}
	if o.Key == "" {
		for _, s := range unnamed {
			others = append(others, s.describe()+" without names of a network")
		}
	}
	return from[0], others, nil
}

// withKey returns the sets that a key names.
func withKey(all []set, o Options) ([]set, error) {
	key := strings.Trim(o.Key, ".")
	if found := matching(all, func(s set) bool { return s.label() == key || s.key == key }); len(found) > 0 {
		return found, nil
	}
	if found := matching(all, func(s set) bool { return strings.HasPrefix(s.label()+".", key+".") }); len(found) > 0 {
		return found, nil
	}
	return nil, fmt.Errorf("there are no weights under %q (%s), only under %s",
		formats.Short(key), o.KeyOption, labels(all))
}

func matching(all []set, test func(set) bool) (out []set) {
	for _, s := range all {
		if test(s) {
			out = append(out, s)
		}
	}
	return out
}

// plausible returns the sets that may be the network: of a known family, if there is one; not of an
// optimizer or a loss; and not much smaller than another set. With asked the user has named the
// key.
func plausible(all []set, asked bool) []set {
	if known := matching(all, func(s set) bool { return s.family != "" }); len(known) > 0 {
		all = known
	}
	if !asked {
		net := matching(all, func(s set) bool { return !slices.ContainsFunc(s.parts(), isNotWeights) })
		if len(net) > 0 {
			all = net
		}
	}
	most := 0
	for _, s := range all {
		most = max(most, len(s.items))
	}
	return matching(all, func(s set) bool { return 2*len(s.items) >= most && len(s.items) > 0 })
}

// unnamedAverages returns averaged weights that cannot be read because they are a list without
// names, if there is a network with names next to them.
func unnamedAverages(all []set) []set {
	if !slices.ContainsFunc(all, func(s set) bool { return s.family != "" }) {
		return nil
	}
	return matching(all, func(s set) bool {
		return s.family == "" && len(s.items) > 1 && s.average() && !slices.ContainsFunc(s.parts(), isNotWeights)
	})
}

// split separates averaged weights from others. A teacher is an average if there is a student with
// the same tensors.
func split(all []set) (plain, average []set) {
	for _, s := range all {
		teacher := slices.Contains(s.parts(), "teacher") && slices.ContainsFunc(all, func(other set) bool {
			return slices.Contains(other.parts(), "student") && sameTensors(s, other)
		})
		if s.averaged = s.average() || teacher; s.averaged {
			average = append(average, s)
		} else {
			plain = append(plain, s)
		}
	}
	return plain, average
}

func sameTensors(a, b set) bool {
	shapes := map[string]string{}
	for _, x := range a.items {
		shapes[x.name] = fmt.Sprint(x.shape)
	}
	for _, x := range b.items {
		if shapes[x.name] != fmt.Sprint(x.shape) {
			return false
		}
	}
	return len(a.items) == len(b.items)
}

// describe names a set and says how many tensors it has.
func (s set) describe() string {
	label := s.label()
	if label == "" {
		label = "the file itself"
	}
	return fmt.Sprintf("%s (%d tensors)", formats.Short(label), len(s.items))
}

// labels lists sets, or the first ones if there are many.
func labels(all []set) string {
	var out []string
	for _, s := range all[:min(len(all), 6)] {
		out = append(out, s.describe())
	}
	if len(all) > 6 {
		out = append(out, "…")
	}
	return strings.Join(out, ", ")
}
