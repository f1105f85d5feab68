package printable

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Marshal is json.Marshal that also escapes unprintable characters, which the standard library leaves
// in strings: the same JSON, safe for a terminal.
func Marshal(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return jsonEscapes(text), nil
}

// MarshalIndent is json.MarshalIndent with the same escapes.
func MarshalIndent(v any, prefix, indent string) ([]byte, error) {
	text, err := json.MarshalIndent(v, prefix, indent)
	if err != nil {
		return nil, err
	}
	return jsonEscapes(text), nil
}

// jsonEscapes escapes characters within the strings of JSON; there are none between strings.
func jsonEscapes(text []byte) []byte {
	if !bytes.ContainsFunc(text, func(r rune) bool { return r >= 0x7f && hidden(r) }) {
		return text
	}
	out := make([]byte, 0, len(text)+16)
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r < 0x7f || !hidden(r):
			out = append(out, text[:size]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		text = text[size:]
	}
	return out
}

// NewWriter returns a writer that passes on its input as a [Text]. It keeps the bytes of an
// unfinished character for the next call.
func NewWriter(w io.Writer) io.Writer { return &writer{w: w} }

type writer struct {
	w    io.Writer
	rest []byte
}

// Write implements io.Writer.
func (t *writer) Write(p []byte) (int, error) {
	plain := !bytes.ContainsFunc(p, func(r rune) bool {
		return r == utf8.RuneError || r != '\n' && r != '\t' && hidden(r)
	})
	if len(t.rest) == 0 && plain {
		return t.w.Write(p) // nearly always, without a copy
	}
	text := slices.Concat(t.rest, p)
	end := len(text)
	for back := 1; back < utf8.UTFMax && back <= len(text); back++ {
		if b := text[len(text)-back]; utf8.RuneStart(b) {
			if b >= utf8.RuneSelf && !utf8.FullRune(text[len(text)-back:]) {
				end = len(text) - back
			}
			break
		}
	}
	t.rest = bytes.Clone(text[end:])
	if _, err := io.Copy(t.w, strings.NewReader(Text(string(text[:end])))); err != nil {
		return 0, err
	}
	return len(p), nil
}
