package torch

import (
	"slices"
	"strconv"
	"strings"
)

// Family is a kind of network with known names of tensors: the value of model.name in
// configurations.
type Family string

// Naming is a scheme of names for the tensors of a family: which code writes state dicts with these
// names.
type Naming string

// The namings. Official names are the names of FasterNet's authors, and LocalMIM's for ViT and Swin.
const (
	Official    Naming = "official"
	Timm        Naming = "timm" // since 0.8
	Torchvision Naming = "torchvision"
	Microsoft   Naming = "microsoft" // the authors of Swin; the same names as LocalMIM's
	LocalMIM    Naming = "localmim"
)

// Network says which names the tensors of a family have.
type Network struct {
	Family Family
	Title  string // in messages, e.g. ViT
	// Namings are the namings of the family, the official one among them, with the rules that
	// turn official names into theirs; no rules if the names are the same.
	Namings []Names
	// Recognise finds the naming of tensors by their names; ok is false if they belong to
	// another network. Names that several namings share count as official.
	Recognise func(has Has) (n Naming, ok bool)
}

// Names are the rules of a naming.
type Names struct {
	Naming Naming
	Rules  []Rule
}

// networks has the networks in the order in which they were registered.
var networks []Network

// Register adds the names of a family. Call it before any file is read.
func Register(n Network) { networks = append(networks, n) }

// networkOf returns the network of a family; an empty one if the family is not registered.
func networkOf(f Family) Network {
	for _, n := range networks {
		if n.Family == f {
			return n
		}
	}
	return Network{}
}

// Titles returns the families for messages, in the order in which they were registered.
func Titles() (titles []string) {
	for _, n := range networks {
		titles = append(titles, n.Title)
	}
	return titles
}

// AllNamings returns the namings of all families.
func AllNamings() (all []Naming) {
	for _, n := range []Naming{Official, Timm, Torchvision, Microsoft, LocalMIM} {
		if slices.ContainsFunc(networks, func(w Network) bool { return slices.Contains(Namings(w.Family), n) }) {
			all = append(all, n)
		}
	}
	for _, w := range networks {
		for _, n := range Namings(w.Family) {
			if !slices.Contains(all, n) {
				all = append(all, n)
			}
		}
	}
	return all
}

// Namings lists the namings of a family.
func Namings(f Family) (out []Naming) {
	w := networkOf(f)
	for _, n := range w.Namings {
		out = append(out, n.Naming)
	}
	return out
}

func rulesOf(f Family, n Naming) []Rule {
	w := networkOf(f)
	for _, names := range w.Namings {
		if names.Naming == n {
			return names.Rules
		}
	}
	return nil
}

// Rule is a rule for some of the names. In the patterns # is a number and * the rest of the name.
// The first numbers of the two names are related by
//
//	P·official = Q·other + R
//
// unless P is 0; all other numbers are the same.
type Rule struct {
	Official, Other string
	P, Q, R         int
}

// NameOf returns the name of a tensor in a naming, given its official name.
func NameOf(f Family, n Naming, official string) string {
	for _, rule := range rulesOf(f, n) {
		first := func(i int) (int, bool) { return divide(rule.P*i-rule.R, rule.Q, i, rule.P) }
		if name, ok := rename(official, rule.Official, rule.Other, first); ok {
			return name
		}
	}
	return official
}

// OfficialName returns the official name of a tensor, given its name in a naming.
func OfficialName(f Family, n Naming, name string) string {
	for _, rule := range rulesOf(f, n) {
		first := func(i int) (int, bool) { return divide(rule.Q*i+rule.R, rule.P, i, rule.P) }
		if official, ok := rename(name, rule.Other, rule.Official, first); ok {
			return official
		}
	}
	return name
}

// divide returns a/b, if this is a number that can be in a name; it returns i if the numbers are
// not related (P is 0).
func divide(a, b, i, p int) (int, bool) {
	if p == 0 {
		return i, true
	}
	return a / b, a >= 0 && a%b == 0
}

// rename turns a name of one pattern into a name of another; first maps its first number.
func rename(name, from, to string, first func(int) (int, bool)) (string, bool) {
	var numbers []int
	rest, pattern := name, from
	for {
		text, after, more := strings.Cut(pattern, "#")
		if !more {
			break
		}
		var ok bool
		if rest, ok = strings.CutPrefix(rest, text); !ok {
			return "", false
		}
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.Atoi(rest[:digits])
		if err != nil || digits > 3 || strconv.Itoa(n) != rest[:digits] {
			return "", false
		}
		numbers, rest, pattern = append(numbers, n), rest[digits:], after
	}
	text, wild := strings.CutSuffix(pattern, "*")
	rest, ok := strings.CutPrefix(rest, text)
	if !ok || wild == (rest == "") {
		return "", false
	}
	if len(numbers) > 0 {
		if numbers[0], ok = first(numbers[0]); !ok {
			return "", false
		}
	}
	out, _ := strings.CutSuffix(to, "*")
	for _, n := range numbers {
		out = strings.Replace(out, "#", strconv.Itoa(n), 1)
	}
	return out + rest, true
}

// Has looks for tensors by their names.
type Has struct{ names []string }

// NewHas returns a Has for these names.
func NewHas(names []string) Has { return Has{names} }

// Any says whether any name passes a test.
func (h Has) Any(test func(name string) bool) bool { return slices.ContainsFunc(h.names, test) }

// Name says whether there is a tensor of that name.
func (h Has) Name(name string) bool { return slices.Contains(h.names, name) }

// Between says whether a name has this prefix and this suffix; "" stands for any.
func (h Has) Between(prefix, suffix string) bool {
	return h.Any(func(s string) bool { return strings.HasPrefix(s, prefix) && strings.HasSuffix(s, suffix) })
}

// Part says whether a name contains a text.
func (h Has) Part(part string) bool {
	return h.Any(func(s string) bool { return strings.Contains(s, part) })
}

// Recognise finds the family and the naming of the tensors of a network. For an unknown network ok
// is false.
func Recognise(names []string) (f Family, n Naming, ok bool) {
	for _, w := range networks {
		if w.Recognise == nil {
			continue
		}
		if n, ok := w.Recognise(Has{names}); ok {
			return w.Family, n, true
		}
	}
	return "", Official, false
}
