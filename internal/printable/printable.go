// Package printable is the border between names that come from files and what a person
// reads: a terminal, a log, a page.
//
// The name of a class, a sample, a tensor or a file, a key, and the metadata of a model are
// whatever somebody wrote. Printed as they are, they could move the cursor of a terminal,
// change its title, turn a line round, or add lines that look like the program's own. So
// everything that is printed goes through this package, which writes such characters as
// escapes, e.g. \x1b. A test of the program keeps its commands from printing in another
// way.
package printable

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MostText is how many characters of an error or of a name are shown.
const MostText = 600

// Line is a text as a part of a line: without line breaks, tabs, control characters, marks
// that turn the direction of writing, and bytes that are no UTF-8. They become escapes;
// all other text stays as it is.
func Line(s string) string { return escape(s, "") }

// Text is a text of several lines, which may be indented.
func Text(s string) string { return escape(s, "\n\t") }

// Error is the text of an error on one line, cut to MostText characters: errors that were
// joined are separated by semicolons.
func Error(err error) string { return Cut(Line(oneLine(err.Error())), MostText) }

func oneLine(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", "; ") }

// Cut leaves out the middle of a text of more than most characters: its begin says what it
// is about, and its end what is wrong.
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

// Row is a row of CSV whose cells are lines: no program that reads it is in doubt where a
// row ends, and it can be looked at in a terminal.
func Row(cells []string) []string {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = Line(c)
	}
	return row
}

// escape writes what is not to be printed as escapes, but for the characters of keep.
func escape(s, keep string) string {
	at := strings.IndexFunc(s, func(r rune) bool { return r == utf8.RuneError || hidden(r) && !strings.ContainsRune(keep, r) })
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

// hidden says whether a character is obeyed, or not seen, in place of being shown: control
// characters, line separators, and those that only change how others are shown. The two
// joiners are letters of some languages, and hold emoji together; a few marks of numbers
// and verses are of the same kind for Unicode, but are seen.
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
