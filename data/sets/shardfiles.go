package sets

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ShardFiles are the files that a pattern with {000..123}, {a,b}, *, ? and […]
// stands for, sorted within each alternative. It is an error when a file of a brace
// expansion is not there.
func ShardFiles(pattern string) (files []string, err error) {
	patterns, err := expandBraces(pattern)
	if err != nil {
		return nil, fmt.Errorf("data: %s: %w", pattern, err)
	}
	for _, p := range patterns {
		found := []string{p}
		if strings.ContainsAny(p, "*?[") {
			if found, err = filepath.Glob(p); err != nil {
				return nil, fmt.Errorf("data: %s: %w", p, err)
			}
		} else if _, err := os.Stat(p); err != nil {
			return nil, fmt.Errorf("data: shard of %s: %w", pattern, err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("data: no file matches %s", pattern)
	}
	if first, second, twice := duplicate(files); twice {
		return nil, fmt.Errorf("data: %s: %s is there twice, as shard %d and %d", pattern, files[first], first, second)
	}
	return files, nil
}

// expandBraces expands {000..012} and {a,b}.
func expandBraces(pattern string) ([]string, error) {
	const most = 1 << 20
	open := strings.IndexByte(pattern, '{')
	if open < 0 {
		return []string{pattern}, nil
	}
	length := strings.IndexByte(pattern[open:], '}')
	if length < 0 {
		return nil, errors.New("a brace is not closed")
	}
	inner, rest := pattern[open+1:open+length], pattern[open+length+1:]
	items := strings.Split(inner, ",")
	if from, to, ok := strings.Cut(inner, ".."); ok {
		a, err1 := strconv.Atoi(from)
		b, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil || a < 0 || b < a || b-a >= most {
			return nil, fmt.Errorf("want {first..last} with numbers that rise, got {%s}", inner)
		}
		items = nil
		for i := a; i <= b; i++ {
			items = append(items, fmt.Sprintf("%0*d", len(from), i))
		}
	}
	tails, err := expandBraces(rest)
	if err != nil {
		return nil, err
	}
	if len(items)*len(tails) > most {
		return nil, fmt.Errorf("more than %d files", most)
	}
	var out []string
	for _, item := range items {
		for _, tail := range tails {
			out = append(out, pattern[:open]+item+tail)
		}
	}
	return out, nil
}
