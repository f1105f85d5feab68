package sets

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// ReadClassMap reads a file with the name of a class in each line. The number of the line, from
// 0, is the index of the class. Blank lines at the end do not count. A name that occurs twice
// is an error.
func ReadClassMap(path string) ([]string, error) {
	text, err := readText(path)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimRight(text, "\n\t "), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
		switch {
		case lines[i] == "":
			return nil, fmt.Errorf("data: %s:%d: want the name of a class in every line, got an empty line", path, i+1)
		case !utf8.ValidString(lines[i]): // a checkpoint could not store it
			return nil, fmt.Errorf("data: %s:%d: class %.40q is not UTF-8; save the file in that encoding",
				path, i+1, lines[i])
		}
	}
	if first, second, twice := duplicate(lines); twice {
		return nil, fmt.Errorf("data: %s:%d: class %q occurs twice, also in line %d",
			path, second+1, lines[second], first+1)
	}
	if k, wrong := wrongName(lines); wrong != "" {
		return nil, fmt.Errorf("data: %s:%d: %s", path, k+1, wrong)
	}
	return lines, nil
}

// duplicate finds the first name that occurs a second time.
func duplicate(names []string) (first, second int, twice bool) {
	seen := make(map[string]int, len(names))
	for i, name := range names {
		if at, ok := seen[name]; ok {
			return at, i, true
		}
		seen[name] = i
	}
	return 0, 0, false
}

// indexOf maps names to their positions.
func indexOf(names []string) map[string]int {
	index := make(map[string]int, len(names))
	for i, name := range names {
		index[name] = i
	}
	return index
}

// numbered returns n classes whose names are their numbers.
func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	return names
}

// fewNames is how many class names a message lists.
const fewNames = 5

// ListNames returns a list of class names, cut if it is long.
func ListNames(names []string) string {
	var b strings.Builder
	for i, name := range names[:min(len(names), fewNames)] {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%.40q", name)
	}
	if more := len(names) - fewNames; more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	return b.String()
}
