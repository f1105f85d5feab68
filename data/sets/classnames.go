package sets

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// sameName returns the form in which class names are compared: Unicode has several ways to
// write an é, and file systems differ in which one they keep.
func sameName(name string) string { return norm.NFC.String(name) }

// wrongName returns the first class whose name is wrong, and what is wrong with it: a checkpoint
// could not store it, or it looks like another name. It returns "" if all are right.
func wrongName(names []string) (class int, wrong string) {
	seen := make(map[string]int, len(names))
	for i, name := range names {
		if !utf8.ValidString(name) {
			return i, fmt.Sprintf("the name of class %.40q is not UTF-8: rename it", name)
		}
		key := sameName(name)
		at, twice := seen[key]
		switch {
		case twice && names[at] == name:
			return i, fmt.Sprintf("class %q occurs twice", name)
		case twice:
			return i, fmt.Sprintf("two classes look like %q: "+
				"%+q and %+q are different ways to write the same name in Unicode: rename one, or join them",
				key, names[at], name)
		}
		seen[key] = i
	}
	return 0, ""
}

// nameNotes tells about class names that may be a mistake: some differ only in case or white
// space, or they are numbers sorted as text.
func nameNotes(names []string) (notes []string) {
	var near []string
	first := make(map[string]string, len(names))
	for _, name := range names {
		key := foldedName(name)
		if other, ok := first[key]; ok {
			near = append(near, fmt.Sprintf("%.40q and %.40q", other, name))
			continue
		}
		first[key] = name
	}
	if len(near) > 0 {
		text := strings.Join(near[:min(len(near), fewNames)], ", ")
		if more := len(near) - fewNames; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		notes = append(notes, "some class names differ only in case or white space: "+text)
	}
	if k := unsortedNumber(names); k >= 0 {
		notes = append(notes, fmt.Sprintf("the names of the classes are numbers, sorted as text: class %d is %q; "+
			"to sort them otherwise, list the names in the file of data.classes", k, names[k]))
	}
	return notes
}

// foldedName returns a name in lower case and with single blanks.
func foldedName(name string) string {
	return strings.ToLower(strings.Join(strings.Fields(sameName(name)), " "))
}

// unsortedNumber returns the first class whose name is a smaller number than the one before,
// if all names are numbers; otherwise -1.
func unsortedNumber(names []string) (class int) {
	numbers := make([]int, len(names))
	for i, name := range names {
		n, err := strconv.Atoi(name)
		if err != nil {
			return -1
		}
		numbers[i] = n
	}
	if slices.IsSorted(numbers) {
		return -1
	}
	for i := range numbers {
		if slices.Min(numbers[i:]) != numbers[i] {
			return i
		}
	}
	return -1
}

// classIndex maps names to the numbers of classes. Look a name up by [sameName], since Unicode
// may write it in several ways.
func classIndex(names []string) map[string]int {
	index := make(map[string]int, len(names))
	for i, name := range names {
		index[sameName(name)] = i
	}
	return index
}
