package links_test

import (
	"path"
	"regexp"
	"strings"
	"testing"
)

// longPage is how many lines a page in docs may have without a list of its sections.
const longPage = 150

var (
	comment = regexp.MustCompile(`(?s)<!--.*?-->\s*`)
	section = regexp.MustCompile(`(?m)^## +(.+?) *$`)
)

func isDoc(name string) bool { return isPage(name) && strings.HasPrefix(name, "docs/") }

// opening is what is wrong with the beginning of a page; "" for nothing.
func opening(page string) string {
	title, rest, _ := strings.Cut(comment.ReplaceAllString(page, ""), "\n")
	if !strings.HasPrefix(title, "# ") {
		return "it has no title"
	}
	rest = strings.TrimLeft(rest, "\n")
	if rest == "" || strings.ContainsAny(rest[:1], "#|-<![") || strings.HasPrefix(rest, "```") {
		return "it does not begin with a sentence that says what a reader gets from it"
	}
	return ""
}

// unlisted returns the sections of a long page that the text before the first one does not link to.
func unlisted(page string) (missing []string) {
	text := fence.ReplaceAllString(page, "")
	if strings.Count(page, "\n") <= longPage {
		return nil
	}
	head, _, _ := strings.Cut(text, "\n## ")
	linked := map[string]bool{}
	for _, m := range link.FindAllStringSubmatch(head, -1) {
		linked[m[1]] = true
	}
	for _, m := range section.FindAllStringSubmatch(text, -1) {
		for anchor := range anchors("## " + m[1]) {
			if !linked["#"+anchor] {
				missing = append(missing, m[1])
			}
		}
	}
	return missing
}

// Every page in docs says first what it is for, and a long one lists its sections.
func TestPagesBegin(t *testing.T) {
	for _, page := range texts(t, isDoc) {
		if wrong := opening(page.content); wrong != "" {
			t.Errorf("%s: %s", page.name, wrong)
		}
		if missing := unlisted(page.content); missing != nil {
			t.Errorf("%s has more than %d lines: its list of contents must link to %q", page.name, longPage, missing)
		}
	}
}

// The index of docs, with the indexes that it leads to, has every page.
func TestIndexes(t *testing.T) {
	listed := map[string]bool{"docs/README.md": true}
	pages := texts(t, isDoc)
	for _, page := range pages {
		if path.Base(page.name) != "README.md" {
			continue
		}
		for _, m := range link.FindAllStringSubmatch(page.content, -1) {
			target, _, _ := strings.Cut(m[1], "#")
			listed[path.Join(path.Dir(page.name), target)] = true
		}
	}
	for _, page := range pages {
		if !listed[page.name] {
			t.Errorf("%s is in no index: docs/README.md, or the README.md of its folder, must link to it", page.name)
		}
	}
}

func TestOpening(t *testing.T) {
	for _, tt := range []struct {
		name, page string
		ok         bool
	}{
		{"sentence", "# A\n\nDo this.\n", true},
		{"comment before it", "# A\n\n<!-- made\nfrom b -->\n\n`x` does this.\n", true},
		{"no title", "Do this.\n", false},
		{"only a title", "# A\n", false},
		{"section", "# A\n\n## B\n", false},
		{"table", "# A\n\n| a |\n", false},
		{"block", "# A\n\n```\nx\n```\n", false},
		{"list of links", "# A\n\n[B](#b)\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if wrong := opening(tt.page); (wrong == "") != tt.ok {
				t.Errorf("%q: %q", tt.page, wrong)
			}
		})
	}
}

func TestUnlisted(t *testing.T) {
	long := strings.Repeat("x\n", longPage)
	for _, tt := range []struct {
		name, page string
		missing    int
	}{
		{"short", "# A\n\n## B\n", 0},
		{"long, listed", "# A\n\n[B `c`](#b-c)\n\n## B `c`\n" + long, 0},
		{"long, one of two", "# A\n\n[B](#b)\n\n## B\n\n## C\n" + long, 1},
		{"long, linked later only", "# A\n\n## B\n[B](#b)\n" + long, 1},
		{"in a block", "# A\n\n```\n## B\n```\n" + long, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := unlisted(tt.page); len(got) != tt.missing {
				t.Errorf("%q, want %d", got, tt.missing)
			}
		})
	}
}
