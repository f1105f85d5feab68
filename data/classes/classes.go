// Package classes compares lists of class names, and names the most probable classes. A label
// is a number, and only its list says what it means. So labels, logits and rows of a
// classifier move from one list to another by name, never by number alone.
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
	Part                  // the second list has all names of the first, and more
	Different             // the second list lacks a name of the first, or a list has a name twice
	Unnamed               // one of the lists has no names, so that only numbers can be compared
)

// Match says which class of one list is which class of another. Have are the classes of the
// labels; Want are the classes that they are compared with.
type Match struct {
	Have, Want []string
	Kind       Kind
	// Index has the number in Want of each class in Have, -1 if Want has no such name.
	// If Kind is Unnamed it is the same number, which may be past the end of Want.
	Index []int

	twice string // a name that one of the lists has twice
}

// Compare matches two lists by name. Names are the same if they look the same: Unicode has
// several ways to write an é, and file systems differ in which one they keep. A list has no
// names if it is empty, or if each class is called "" or by its own number. Numbers from 1 on,
// or sorted as text, are names.
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
	case unnamed(a) != unnamed(b) && numbers(a) && numbers(b):
		// The classes 1, 2 and 3 are not the classes 0, 1 and 2.
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

// keys returns names in the form in which they are compared.
func keys(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = norm.NFC.String(name)
	}
	return out
}

// index maps names to their numbers. It also returns a name that occurs twice, or "".
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

// Moved returns how many classes have a different number in Want.
func (m Match) Moved() int {
	n := 0
	for i, at := range m.Index {
		if at >= 0 && at != i {
			n++
		}
	}
	return n
}

// Common returns how many classes of Have are in Want. It returns 0 if only numbers can be
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

// Permutation returns, for each output of a classifier for Have, the output of one for Want
// that means the same. Outputs without a class keep their order. It is nil if all outputs
// stay in place. It is an error when a class is not in Want, or when there are more classes
// than outputs.
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

// few is how many names a message lists.
const few = 3

// Difference says in a line how the lists differ, whatever their length; have and want are
// the words for them. It returns "" if they are the same.
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
		parts = append(parts, fmt.Sprintf("class %d is %s in %s and %s in %s",
			first, quoted(m.Want[first]), want, quoted(m.Have[first]), have))
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

// missing returns the names that are not in others.
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

// quoted returns a name in quotes, cut if it is too long for a line.
func quoted(name string) string {
	if runes := []rune(name); len(runes) > 60 {
		name = string(runes[:60]) + "…"
	}
	return strconv.Quote(name)
}

// Judge says whether labels or logits can move from Have to Want. It returns a note for the
// user, "" if there is nothing to say, or an error if they cannot move. have and want are the
// words for the two, such as "the data set" and "the model".
func (m Match) Judge(have, want string) (note string, err error) {
	switch m.Kind {
	case Same:
		return "", nil
	case Reordered:
		return fmt.Sprintf("the classes of %s are in a different order than in %s: %s; they are matched by name",
			have, want, m.Difference(have, want)), nil
	case Part:
		return fmt.Sprintf("%s has %d of the %d classes of %s, without %s; they are matched by name",
			have, len(m.Have), len(m.Want), want, list(missing(m.Want, m.Have))), nil
	case Unnamed:
		return m.judgeNumbers(have, want)
	case Different:
		return "", fmt.Errorf("%s has different classes from %s: %s", have, want, m.Difference(have, want))
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
