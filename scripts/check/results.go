package main

import (
	"bytes"
	"context"
	"strings"
)

// results reads the output of go test, and records which packages are done. After ctx has ended, it
// ignores failures: the tests were killed.
type results struct {
	ctx    context.Context
	rest   []byte
	done   map[string]bool
	failed []string
}

func (r *results) Write(b []byte) (int, error) {
	r.rest = append(r.rest, b...)
	for {
		line, rest, ok := bytes.Cut(r.rest, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		r.rest = rest
		// A line has ok, FAIL or a question mark (no test files), then the package.
		words := strings.Split(string(line), "\t")
		if len(words) < 2 {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimSpace(words[1]), " ")
		switch strings.TrimSpace(words[0]) {
		case "ok", "?":
		case "FAIL":
			if r.ctx.Err() != nil {
				continue
			}
			r.failed = append(r.failed, name)
		default:
			continue
		}
		if r.done == nil {
			r.done = map[string]bool{}
		}
		r.done[name] = true
	}
}

// without returns the packages that are not done.
func (r *results) without(packages []string) []string {
	var left []string
	for _, name := range packages {
		if !r.done[name] {
			left = append(left, name)
		}
	}
	return left
}
