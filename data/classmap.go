package data

import (
	"fmt"
	"os"
	"strings"
)

// maxText is the largest class map or annotation file that is read.
const maxText = 1 << 30

// ReadClassMap reads a file with the name of a class in each line; the number of
// the line, from 0, is the index of the class. Blank lines at the end do not count.
// A name that is there twice is an error.
func ReadClassMap(path string) ([]string, error) {
	text, err := readText(path)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimRight(text, "\r\n\t "), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
		if lines[i] == "" {
			return nil, fmt.Errorf("data: %s:%d: want the name of a class in every line, got an empty line", path, i+1)
		}
	}
	if first, second, twice := duplicate(lines); twice {
		return nil, fmt.Errorf("data: %s:%d: class %q is there twice, also in line %d", path, second+1, lines[second], first+1)
	}
	return lines, nil
}

// readText reads a text file.
func readText(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("data: %w", err)
	}
	if info.Size() > maxText {
		return "", fmt.Errorf("data: %s has %d bytes; a list of up to %d bytes is needed", path, info.Size(), maxText)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("data: %w", err)
	}
	return strings.TrimPrefix(string(text), "\ufeff"), nil
}

// duplicate finds the first name that is there a second time.
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

// numbered are n classes that are called by their numbers.
func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	return names
}
