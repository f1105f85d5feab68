// Package printable makes text from files safe for people to read, in a terminal, a log or a page.
//
// The name of a class, a sample, a tensor or a file, a key, and the metadata of a model may contain
// anything. Printed unchanged, they could move the cursor of a terminal, change its title, reverse
// the direction of a line, or add lines that look like the program's own. So everything that is
// printed goes through this package, which writes such characters as escapes, e.g. \x1b. A test
// keeps the commands from printing in any other way.
package printable

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MostText is the largest number of characters of an error or a name that are shown.
const MostText = 600

// Line returns a text that is safe within a line. Line breaks, tabs, control characters, marks that
// change the direction of writing, and bytes that are not UTF-8 become escapes; other text stays
// unchanged.
func Line(s string) string { return escape(s, "") }

// Text is Line for text of several lines, which may be indented.
func Text(s string) string { return escape(s, "\n\t") }

// Error returns the text of an error on one line, cut to MostText characters. Semicolons separate
// joined errors.
func Error(err error) string { return Cut(Line(oneLine(err.Error())), MostText) }

func oneLine(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", "; ") }

// Cut removes the middle of a text of more than most characters: the beginning says what it is about,
// and the end what is wrong.
func Cut(s string, most int) string {
	n := utf8.RuneCountInString(s)
	if n <= most {
		return s
	}
	runes := []rune(s)
	mark := fmt.Sprintf(" … (%d characters left out) … ", n-most)
	head := most * 2 / 3
	return string(runes[:head]) + mark + string(runes[n-(most-head):])
}

// Row makes the cells of a row of CSV safe: every program knows where the row ends, and a terminal
// can show it.
func Row(cells []string) []string {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = Line(c)
	}
	return row
}

// escape writes unsafe characters as escapes, except for the characters of keep.
func escape(s, keep string) string {
	at := strings.IndexFunc(s, func(r rune) bool {
		return r == utf8.RuneError || hidden(r) && !strings.ContainsRune(keep, r)
	})
	if at < 0 {
		return s
	}
	var b strings.Builder
	b.WriteString(s[:at])
	for at < len(s) {
		r, size := utf8.DecodeRuneInString(s[at:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[at])
		case hidden(r) && !strings.ContainsRune(keep, r):
			b.WriteString(escaped(r))
		default:
			b.WriteString(s[at : at+size])
		}
		at += size
	}
	return b.String()
}

func escaped(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r < 0x80:
		return fmt.Sprintf(`\x%02x`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}

// hidden reports whether a terminal would obey a character, or not show it: control characters, line
// separators, and characters that only change how others are shown. The two joiners are not hidden:
// they are letters of some languages, and hold emoji together. Nor are a few marks of numbers and
// verses that Unicode puts into the same class, but that are seen.
func hidden(r rune) bool {
	if r < 0x7f {
		return r < 0x20
	}
	const nonJoiner, joiner = '\u200c', '\u200d'
	if r == nonJoiner || r == joiner || unicode.Is(unicode.Prepended_Concatenation_Mark, r) {
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}
