package main

import (
	"bytes"
	"fmt"
	"go/format"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// paths replaces one module path by another.
type paths struct {
	from, to string
	folders  map[string]bool // top-level folders with Go code
}

// rewrite returns the content of a file with the other module path.
func (p paths) rewrite(f *file) ([]byte, error) {
	switch base := path.Base(f.name); {
	case base == "go.mod" || base == "go.work":
		return p.module(f.old), nil
	case path.Ext(base) == ".sum":
		return f.old, nil
	case path.Ext(base) == ".pgo":
		return p.profile(f.old)
	case !isText(f.old):
		return f.old, nil
	case path.Ext(base) == ".go":
		return p.source(f.name, f.old)
	}
	return []byte(p.text(string(f.old))), nil
}

func isText(content []byte) bool {
	return utf8.Valid(content) && !bytes.Contains(content, []byte{0})
}

// source rewrites the imports of Go code by its syntax, and comments and strings as text.
func (p paths) source(name string, content []byte) ([]byte, error) {
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, name, content, parser.ImportsOnly|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	at := 0
	for _, s := range parsed.Imports {
		imported, err := strconv.Unquote(s.Path.Value)
		if err != nil {
			return nil, err
		}
		rest, ok := below(imported, p.from)
		if !ok {
			continue
		}
		start, end := set.Position(s.Path.Pos()).Offset, set.Position(s.Path.End()).Offset
		out.WriteString(p.text(string(content[at:start])))
		out.WriteString(strconv.Quote(p.to + rest))
		at = end
	}
	out.WriteString(p.text(string(content[at:])))
	made := []byte(out.String())
	// gofmt sorts imports by their paths. Code that was not formatted stays unformatted.
	if formatted, err := format.Source(content); err == nil && bytes.Equal(formatted, content) {
		return format.Source(made)
	}
	return made, nil
}

// below says whether a path is root or lies below it, and returns the rest after root.
func below(name, root string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(name, root)
	return rest, ok && (rest == "" || rest[0] == '/')
}

var major = regexp.MustCompile(`(?:/|^gopkg\.in/.*\.)(v[0-9]+)$`)

// module rewrites a go.mod or go.work file, word by word. If a replace directive finds a module in a
// folder, only the major number of its version has to be right.
func (p paths) module(content []byte) []byte {
	version := "v0"
	if m := major.FindStringSubmatch(p.to); m != nil {
		version = m[1]
	}
	lines := strings.Split(string(content), "\n")
	for i, line := range lines {
		code, comment, commented := strings.Cut(line, "//")
		words := strings.Split(code, " ")
		for k, word := range words {
			trimmed := strings.TrimSpace(word)
			rest, ok := below(trimmed, p.from)
			if !ok {
				continue
			}
			words[k] = strings.Replace(word, trimmed, p.to+rest, 1)
			if rest == "" && k+1 < len(words) && placeholder.MatchString(words[k+1]) {
				words[k+1] = version + ".0.0"
			}
		}
		lines[i] = strings.Join(words, " ")
		if commented {
			lines[i] += "//" + comment
		}
	}
	return []byte(strings.Join(lines, "\n"))
}

var placeholder = regexp.MustCompile(`^v[0-9]+\.0\.0$`)

// text rewrites the names of packages in any text: the path, a slash and the name of a folder with Go
// code, and the path alone if the words around it belong to the go command. A module path can be an
// ordinary word, so nothing else is rewritten.
func (p paths) text(s string) string {
	var out strings.Builder
	at := 0
	for _, start := range p.places(s) {
		out.WriteString(s[at:start])
		out.WriteString(p.to)
		at = start + len(p.from)
	}
	out.WriteString(s[at:])
	return out.String()
}

// places returns the offsets in s at which the module path is.
func (p paths) places(s string) []int {
	var found []int
	for start := 0; ; start++ {
		i := strings.Index(s[start:], p.from)
		if i < 0 {
			return found
		}
		start += i
		if p.folders[p.packageAt(s, start)] || p.directiveAt(s, start) {
			found = append(found, start)
		}
	}
}

// packageAt returns the first folder of a package path that begins at start, or "".
func (p paths) packageAt(s string, start int) string {
	rest := s[start+len(p.from):]
	if start > 0 && inPath(s[start-1]) || !strings.HasPrefix(rest, "/") {
		return ""
	}
	end := 1
	for end < len(rest) && (rest[end] == '_' || rest[end] == '-' || isAlphanumeric(rest[end])) {
		end++
	}
	return rest[1:end]
}

// inPath says whether a character before a path makes it the end of another path.
func inPath(c byte) bool {
	return isAlphanumeric(c) || strings.IndexByte("-._/~@%+$}\\", c) >= 0
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= 0x80
}

var (
	// named matches words before a module path that make it one, whatever comes after.
	named = regexp.MustCompile(`(?:\bgo (?:get|install|mod init|mod edit -module)[ =]|` +
		`-(?:replace|require|droprequire|dropreplace)[ =])$`)
	// These match what comes before or after it in a directive of go.mod.
	directive = regexp.MustCompile(`\breplace $`)
	required  = regexp.MustCompile(`\brequire $`)
	declared  = regexp.MustCompile("(?:^|\\n|[\"`])module $")
	arrow     = regexp.MustCompile(`^ (?:v[0-9][^ ]* )?=> `)
	version   = regexp.MustCompile(`^ v[0-9]+\.[0-9]`)
	ends      = regexp.MustCompile("^(?:[ \\t]*$|[ \\t]*\\n|\\\\n|[\"`])")
)

// directiveAt says whether the path at start is alone in a directive of go.mod or an argument of the
// go command.
func (p paths) directiveAt(s string, start int) bool {
	before, after := s[max(0, start-40):start], s[start+len(p.from):]
	after = after[:min(len(after), 60)]
	if start > 0 && inPath(s[start-1]) || continues(after) {
		return false
	}
	replaces := directive.MatchString(before) || version.MatchString(after) || lineStart(before)
	return named.MatchString(before) ||
		arrow.MatchString(after) && replaces ||
		required.MatchString(before) && version.MatchString(after) ||
		declared.MatchString(before) && ends.MatchString(after)
}

// continues says whether the characters after a path make it the start of another path.
func continues(after string) bool {
	if after == "" {
		return false
	}
	first := after[0]
	return strings.IndexByte("/-_", first) >= 0 ||
		isAlphanumeric(first) ||
		len(after) > 1 && first == '.' && isAlphanumeric(after[1])
}

// lineStart says whether only blanks come before a place in its line.
func lineStart(before string) bool {
	return strings.TrimSpace(before[strings.LastIndexByte(before, '\n')+1:]) == ""
}

// used says where a file names p.from or a package below it, and returns "" if it does not. It
// ignores packages of the module `except`, which may lie below p.from.
func (p paths) used(f *file, except string) string {
	foreign := func(name string) bool {
		_, ours := below(name, except)
		_, inside := below(name, p.from)
		return inside && !ours
	}
	switch base := path.Base(f.name); {
	case base == "go.mod" || base == "go.work":
		for i, line := range strings.Split(string(f.old), "\n") {
			code, _, _ := strings.Cut(line, "//")
			if slices.ContainsFunc(strings.Fields(code), foreign) {
				return fmt.Sprintf("%s:%d", f.name, i+1)
			}
		}
	case isText(f.old) && path.Ext(base) != ".sum":
		for _, start := range p.places(string(f.old)) {
			if _, ours := below(string(f.old[start:]), except); !ours {
				return fmt.Sprintf("%s:%d", f.name, 1+bytes.Count(f.old[:start], []byte("\n")))
			}
		}
		if path.Ext(base) != ".go" {
			break
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, f.name, f.old, parser.ImportsOnly|parser.SkipObjectResolution)
		if err != nil {
			break // rewrite reports it
		}
		for _, s := range parsed.Imports {
			if imported, err := strconv.Unquote(s.Path.Value); err == nil && foreign(imported) {
				return fmt.Sprintf("%s:%d", f.name, set.Position(s.Pos()).Line)
			}
		}
	}
	return ""
}

// unknown lists places that look like packages of the module but are not, as FILE:LINE: NAME.
func (p paths) unknown(f *file) []string {
	if !isText(f.new) || path.Ext(f.name) == ".sum" {
		return nil
	}
	var found []string
	s := string(f.new)
	for start := 0; ; start++ {
		i := strings.Index(s[start:], p.from+"/")
		if i < 0 {
			return found
		}
		start += i
		if folder := p.packageAt(s, start); folder != "" && !p.folders[folder] && !strings.HasPrefix(s[start:], p.to) {
			found = append(found, fmt.Sprintf("%s:%d: %s/%s", f.name, 1+strings.Count(s[:start], "\n"), p.from, folder))
		}
	}
}
