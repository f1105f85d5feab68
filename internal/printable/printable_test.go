package printable_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"fasternet/internal/printable"
)

func ExampleSprintf() {
	class := "cat\x1b[2J\nfasternet-train: all is well"
	fmt.Println(printable.Sprintf("%d images of %s\nnext line", 3, class))
	// Output:
	// 3 images of cat\x1b[2J\nfasternet-train: all is well
	// next line
}

// Characters that a terminal would obey become visible, and text in any language stays.
func TestLine(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"letters", "Katze, chat, قطة, חתול, 猫, кошка", "Katze, chat, قطة, חתול, 猫, кошка"},
		{"emoji with joiners", "👩\u200d🔬 ❤\ufe0f", "👩\u200d🔬 ❤\ufe0f"},
		{"non-joiner of Persian", "می\u200cخواهم", "می\u200cخواهم"},
		{"Arabic number sign", "\u0600", "\u0600"},
		{"path of Windows", `C:\new\x1b`, `C:\new\x1b`},
		{"ANSI escape", "a\x1b[31mred", `a\x1b[31mred`},
		{"operating system command", "a\x1b]0;title\a", `a\x1b]0;title\x07`},
		{"C1", "a\u009b31m", `a\u009b31m`},
		{"C1 as a byte", "a\x9b31m", `a\x9b31m`},
		{"cut UTF-8", "a\xe2\x82", `a\xe2\x82`},
		{"replacement character", "a\ufffd", "a\ufffd"},
		{"delete, bell, back, null", "\x7f\a\b\x00", `\x7f\x07\x08\x00`},
		{"line ends", "a\r\nb\u2028c\u2029\v\f", `a\r\nb\u2028c\u2029\x0b\x0c`},
		{"tab", "a\tb", `a\tb`},
		{"bidi overrides", "photo\u202egnp.exe\u2066\u2069\u200f", `photo\u202egnp.exe\u2066\u2069\u200f`},
		{"tags", "a\U000e0041", `a\U000e0041`},
		{"byte order mark", "\ufeffa", `\ufeffa`},
		{"zero width blank", "a\u200bb", `a\u200bb`},
	} {
		if got := printable.Line(c.text); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if got := printable.Text("a:\n\tb\r\x1b"); got != "a:\n\tb\\r\\x1b" {
		t.Errorf("text: %q", got)
	}
}

type stringer struct{}

func (stringer) String() string { return "of\x1bmine" }

func TestSprintf(t *testing.T) {
	long := strings.Repeat("ä", 700)
	for _, c := range []struct {
		got, want string
	}{
		{printable.Sprintf("%s|%v|%d|%5.2f|%t", "a\nb", "c\x1b", 3, 1.5, true), `a\nb|c\x1b|3| 1.50|true`},
		{printable.Sprintf("%-6s|%6s|%-*s|", "a\a", "b", 4, "c"), `a\x07 |     b|c   |`},
		{
			printable.Sprintf("%v", fmt.Errorf("x: %w", errors.Join(errors.New("one"), errors.New("two\x1b")))),
			`x: one; two\x1b`,
		},
		{printable.Sprintf("%v %v", []string{"a\n", "b"}, map[string]int{"\x1b": 1}), `[a\n b] map[\x1b:1]`},
		{printable.Sprintf("%q %x", "a\u202e", "\x1b"), `"a\u202e" 1b`},
		{printable.Sprintf("%v %s", stringer{}, &stringer{}), `of\x1bmine of\x1bmine`},
		{printable.Sprintf("%v %s", nil, error(nil)), "<nil> %!s(<nil>)"},
		{printable.Sprintf("%v %v", 1500*time.Millisecond, fs.FileMode(0o644)), "1.5s -rw-r--r--"},
		{printable.Sprintf("%+v %#v", struct{ A string }{"\x1b"}, "\x1b"), `{A:\x1b} "\x1b"`},
		{
			printable.Sprintf("%s", long),
			strings.Repeat("ä", 400) + " … (100 characters left out) … " + strings.Repeat("ä", 200),
		},
		{printable.Sprintf("%s", long[:1200]), long[:1200]},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func TestError(t *testing.T) {
	both := errors.Join(errors.New("no such\x1b file"), errors.New("nor another"))
	err := fmt.Errorf("%s: %w", strings.Repeat("d/", 5000), both)
	got := printable.Error(err)
	n := utf8.RuneCountInString(got)
	if n > printable.MostText+40 ||
		!strings.HasPrefix(got, "d/d/") ||
		!strings.HasSuffix(got, `no such\x1b file; nor another`) ||
		strings.ContainsAny(got, "\n\x1b") {
		t.Errorf("%d characters: %s", n, got)
	}
}

// JSON keeps its meaning, in printable characters.
func TestMarshal(t *testing.T) {
	names := []string{"a\x1b\n", "\u009b\x7f\u202e\U000e0041", "Katze 猫 👩\u200d🔬"}
	for _, c := range []struct {
		name    string
		marshal func(any) ([]byte, error)
	}{
		{"Marshal", printable.Marshal},
		{"MarshalIndent", func(v any) ([]byte, error) { return printable.MarshalIndent(v, "", " ") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, err := c.marshal(names)
			if err != nil {
				t.Fatal(err)
			}
			got := printable.Text(string(text))
			if got != string(text) || !strings.Contains(got, `\u202e`) || !strings.Contains(got, "猫") {
				t.Errorf("%s: %s", c.name, text)
			}
			var again []string
			if err := json.Unmarshal(text, &again); err != nil || fmt.Sprint(again) != fmt.Sprint(names) {
				t.Errorf("%s: %q, %v", c.name, again, err)
			}
		})
	}
}

// The text comes out the same, however the bytes are split into writes.
func TestWriter(t *testing.T) {
	text := "ä\u202e猫\x1b\n\tb👩\xff\xc3("
	for n := 1; n <= len(text); n++ {
		var b strings.Builder
		w := printable.NewWriter(&b)
		for at := 0; at < len(text); at += n {
			part := text[at:min(at+n, len(text))]
			if m, err := w.Write([]byte(part)); m != len(part) || err != nil {
				t.Fatalf("%d, %v", m, err)
			}
		}
		if want := "ä\\u202e猫\\x1b\n\tb👩\\xff\\xc3("; b.String() != want {
			t.Errorf("in writes of %d bytes: %q, want %q", n, b.String(), want)
		}
	}
}
