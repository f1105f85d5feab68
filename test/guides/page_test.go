//go:build unix

package guides

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// block is a fenced block of a page.
type block struct {
	kind string // yaml, go, sh, text, or "" for a block that is only read
	line int    // number of its first line in the page
	text string
}

var small = regexp.MustCompile("^<!-- tested with `(.+)` as `(.*)` -->$")

// readPage returns the blocks of a page, made small.
func readPage(path string) ([]block, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var blocks []block
	var now *block
	var replace [][]string
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		switch m := small.FindStringSubmatch(line); {
		case now == nil && m != nil:
			replace = append(replace, m)
		case now == nil && strings.HasPrefix(line, "<!--"):
			return nil, fmt.Errorf("%s:%d: want <!-- tested with `OLD` as `NEW` -->", path, n)
		case now == nil && strings.HasPrefix(line, "```"):
			now = &block{kind: strings.TrimPrefix(line, "```"), line: n + 1}
		case now == nil && line != "" && replace != nil:
			return nil, fmt.Errorf("%s:%d: no block follows the comment", path, n)
		case now != nil && line == "```":
			for _, m := range replace {
				if !strings.Contains(now.text, m[1]) {
					return nil, fmt.Errorf("%s:%d: the block has no %q to be tested as %q", path, now.line, m[1], m[2])
				}
				now.text = strings.ReplaceAll(now.text, m[1], m[2])
			}
			blocks, now, replace = append(blocks, *now), nil, nil
		case now != nil:
			now.text += line + "\n"
		}
	}
	if now != nil || replace != nil {
		return nil, fmt.Errorf("%s: ends within a block", path)
	}
	return blocks, lines.Err()
}

var (
	number = regexp.MustCompile(`\d[\d.]*(e[-+]?\d+)?`)
	blanks = regexp.MustCompile(`\s+`)
)

// missing returns the first line of want that got does not have after the lines before it.
func missing(want, got string) (string, error) {
	rest := strings.Split(got, "\n")
	for _, line := range strings.Split(strings.TrimSpace(want), "\n") {
		pattern, err := regexp.Compile(linePattern(line))
		if err != nil {
			return "", err
		}
		i := 0
		for i < len(rest) && !pattern.MatchString(rest[i]) {
			i++
		}
		if i == len(rest) {
			return line, nil
		}
		rest = rest[i+1:]
	}
	return "", nil
}

func linePattern(line string) string {
	var parts []string
	for _, part := range strings.Split(strings.TrimSpace(line), "…") {
		part = blanks.ReplaceAllLiteralString(regexp.QuoteMeta(part), `\s+`)
		part = strings.ReplaceAll(part, `\.`, ".") // the dot of a number, too
		parts = append(parts, number.ReplaceAllLiteralString(part, `[\d.]+(?:e[-+]?\d+)?`))
	}
	return `^\s*` + strings.Join(parts, ".*") + `\s*$`
}

func TestMissing(t *testing.T) {
	const got = "epoch 1/2: loss 0.5, top-1 3.1e-05 %\nrose   8   100.00 %  \n{\"top1\":1,\"dir\":\"runs/x\"}\n"
	for _, c := range []struct{ want, lost string }{
		{"epoch 1/60: loss …, top-1 … %", ""},
		{"epoch 2/60: loss 7.25, top-1 1.0 %\nrose  95  91.5 % …\n{…,\"dir\":\"runs/x\"}", ""},
		{"rose 8 1 %\nepoch 1/60: loss …", "epoch 1/60: loss …"},
		{"epoch 1/60: loss …, best … %", "epoch 1/60: loss …, best … %"},
		{"tulip … %", "tulip … %"},
		{"ros… %\nrose … %\n{…}\n{…}", "rose … %"},
		{"{…,\"dir\":\"runs/y\"}", "{…,\"dir\":\"runs/y\"}"},
	} {
		t.Run(c.want, func(t *testing.T) {
			line, err := missing(c.want, got)
			if err != nil || line != c.lost {
				t.Errorf("of %q is missing %q, %v; want %q", c.want, line, err, c.lost)
			}
		})
	}
}

func TestBadPages(t *testing.T) {
	for _, c := range []struct{ page, want string }{
		{"<!-- tested with `a` as `b` -->\n```sh\necho c\n```\n", `:3: the block has no "a"`},
		{"<!-- tested with `a` as `b` -->\n\ntext\n```sh\na\n```\n", ":3: no block follows"},
		{"<!-- testd with `a` as `b` -->\n```sh\na\n```\n", ":1: want <!-- tested with"},
		{"```sh\necho a\n", "ends within a block"},
		{"```sh\na\n```\n\n<!-- tested with `a` as `b` -->\n", "ends within a block"},
	} {
		t.Run(c.page, func(t *testing.T) {
			path := t.TempDir() + "/page.md"
			if err := os.WriteFile(path, []byte(c.page), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := readPage(path); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q: %v, want %q", c.page, err, c.want)
			}
		})
	}
}
