// Package classes compares lists of class names, and names the most probable classes. A label
// is a number, and only the list that it belongs to says what it means: labels, logits and rows
// of a classifier may go from one list to another by name, never by number alone.
package classes

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Kind says how two lists of names relate.
type Kind int

// The kinds.
const (
	Same      Kind = iota // the same names in the same order
	Reordered             // the same names in another order
	Part                  // all names of the first list are in the second, which has more
	Different             // a name of the first list is not in the second, or a name is there twice
	Unnamed               // one of the lists has no names, so that only numbers can be compared
)

// Match says which class of one list is which class of another: Have are the classes of
// the labels, Want those that they are compared with.
type Match struct {
	Have, Want []string
	Kind       Kind
	// Index has the number in Want of each class in Have, -1 if there is none of that name.
	// If Kind is Unnamed it is the number itself, which may be larger than Want is long.
	Index []int

	twice string // a name that is in one of the lists twice
}

// Compare matches two lists by name. Names are the same if they look the same: Unicode
// has several ways to write an é, and file systems differ in which they keep. A list
// without names is empty, or calls every class "" or by its own number. Numbers from 1 on,
// or in the order of text, are names.
func Compare(have, want []string) Match {
	m := Match{Have: have, Want: want, Index: make([]int, len(have))}
	a, b := keys(have), keys(want)
	for i := range a {
		m.Index[i] = i
	}
	if slices.Equal(a, b) && len(a) > 0 {
		return m
	}
	byName, twice := index(b)
	if _, also := index(a); twice == "" {
		twice = also
	}
	m.twice = twice
	found := 0
	for i, name := range a {
		m.Index[i] = -1
		if at, ok := byName[name]; ok && name != "" {
			m.Index[i] = at
			found++
		}
	}
	complete := found == len(a) && twice == "" && len(a) > 0
	switch {
	case complete && len(a) == len(b):
		m.Kind = Reordered
	case complete:
		m.Kind = Part
	case unnamed(a) != unnamed(b) && numbers(a) && numbers(b): // classes 1, 2 and 3 are not 0, 1 and 2
		m.Kind = Different
	case unnamed(a) || unnamed(b):
		m.Kind = Unnamed
		for i := range m.Index {
			m.Index[i] = i
		}
	default:
		m.Kind = Different
	}
	return m
}

// keys are names in the form in which they are compared.
func keys(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = norm.NFC.String(name)
	}
	return out
}

// index maps names to their numbers. It returns a name that is there twice, or "".
func index(names []string) (at map[string]int, twice string) {
	at = make(map[string]int, len(names))
	for i, name := range names {
		if _, ok := at[name]; ok && twice == "" {
			twice = name
		}
		at[name] = i
	}
	return at, twice
}

// numbers reports whether all names are numbers.
func numbers(names []string) bool {
	for _, name := range names {
		if _, err := strconv.Atoi(name); err != nil {
			return false
		}
	}
	return len(names) > 0
}

func unnamed(names []string) bool {
	for i, name := range names {
		if name != "" && name != strconv.Itoa(i) {
			return false
		}
	}
	return true
}

// Moved is how many classes have another number in Want.
func (m Match) Moved() int {
	n := 0
	for i, at := range m.Index {
		if at >= 0 && at != i {
			n++
		}
	}
	return n
}

// Common is how many classes of Have are in Want. It is 0 where only numbers can be
// compared.
func (m Match) Common() int {
	if m.Kind == Unnamed {
		return 0
	}
	n := 0
	for _, at := range m.Index {
		if at >= 0 {
			n++
		}
	}
	return n
}

// Permutation has for each of so many outputs of a classifier for Have the output of one for
// Want that means the same; outputs without a class keep their order. It is nil if all
// outputs stay where they are. A class that is not in Want, or more classes than outputs,
// is an error.
func (m Match) Permutation(outputs int) ([]int, error) {
	if len(m.Have) > outputs || len(m.Want) > outputs {
		return nil, fmt.Errorf("%d and %d classes do not fit %d outputs", len(m.Have), len(m.Want), outputs)
	}
	order, used := make([]int, 0, outputs), make([]bool, outputs)
	for i, at := range m.Index {
		if at < 0 || used[at] {
			return nil, fmt.Errorf("class %d, %s, has no class to go to", i, quoted(m.Have[i]))
		}
		order, used[at] = append(order, at), true
	}
	for at := range used {
		if !used[at] {
			order = append(order, at)
		}
	}
	for i, at := range order {
		if at != i {
			return order, nil
		}
	}
	return nil, nil
}

// few is how many names a message shows.
const few = 3

// Difference says in a line how the lists differ, whatever their length; have and want
// are what to call them. It is "" if they are the same.
func (m Match) Difference(have, want string) string {
	var parts []string
	a, b := keys(m.Have), keys(m.Want)
	first, differing := -1, 0
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			if differing++; first < 0 {
				first = i
			}
		}
	}
	if first >= 0 {
		parts = append(parts, fmt.Sprintf("class %d is %s in %s and %s in %s", first, quoted(m.Want[first]), want, quoted(m.Have[first]), have))
		if differing > 1 {
			parts[0] += fmt.Sprintf(" (%d of %d differ)", differing, min(len(a), len(b)))
		}
	}
	if m.twice != "" {
		return strings.Join(append(parts, fmt.Sprintf("two classes are called %s", quoted(m.twice))), "; ")
	}
	for _, side := range []struct {
		in           string
		names, other []string
	}{{want, m.Want, m.Have}, {have, m.Have, m.Want}} {
		if only := missing(side.names, side.other); len(only) > 0 {
			parts = append(parts, fmt.Sprintf("only in %s: %s", side.in, list(only)))
		}
	}
	return strings.Join(parts, "; ")
}

// missing are the names that are not among others.
func missing(names, others []string) (only []string) {
	there, _ := index(keys(others))
	for _, name := range names {
		if _, ok := there[norm.NFC.String(name)]; !ok {
			only = append(only, name)
		}
	}
	return only
}

// list shows the first few names and how many more there are.
func list(names []string) string {
	var parts []string
	for _, name := range names[:min(few, len(names))] {
		parts = append(parts, quoted(name))
	}
	text := strings.Join(parts, ", ")
	if more := len(names) - few; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// quoted is a name that is not too long for a line.
func quoted(name string) string {
	if runes := []rune(name); len(runes) > 60 {
		name = string(runes[:60]) + "…"
	}
	return strconv.Quote(name)
}

// Judge says what the match means for labels or logits that go from Have to Want: a
// note for people, "" if there is nothing to say, or an error if they cannot go. Have
// and want are what to call the two, e.g. "the data set" and "the model".
func (m Match) Judge(have, want string) (note string, err error) {
	switch m.Kind {
	case Same:
		return "", nil
	case Reordered:
		return fmt.Sprintf("the classes of %s have another order than in %s: %s; they are matched by name", have, want, m.Difference(have, want)), nil
	case Part:
		return fmt.Sprintf("%s has %d of the %d classes of %s, without %s; they are matched by name", have, len(m.Have), len(m.Want), want, list(missing(m.Want, m.Have))), nil
	case Unnamed:
		return m.judgeNumbers(have, want)
	case Different:
		return "", fmt.Errorf("%s has other classes than %s: %s", have, want, m.Difference(have, want))
	}
	return "", fmt.Errorf("classes of %s and %s: unknown kind of match %d", have, want, m.Kind)
}

// judgeNumbers is [Match.Judge] for a list without names.
func (m Match) judgeNumbers(have, want string) (note string, err error) {
	nameless := want
	if !unnamed(keys(m.Want)) {
		nameless = have
	}
	if len(m.Want) > 0 && len(m.Have) > len(m.Want) {
		return "", fmt.Errorf("%s has %d classes, %s only %d", have, len(m.Have), want, len(m.Want))
	}
	note = fmt.Sprintf("%s does not say what its classes are called: they are compared by their number", nameless)
	if len(m.Want) > 0 && len(m.Have) != len(m.Want) {
		note += fmt.Sprintf("; %s has %d, %s %d", have, len(m.Have), want, len(m.Want))
	}
	return note, nil
}
