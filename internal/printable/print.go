package printable

import (
	"fmt"
	"io"
	"os"
	"reflect"
)

// Sprintf is fmt.Sprintf with operands that cannot add lines or control characters: it turns each
// into a [Line] of at most MostText characters. The format does not change.
func Sprintf(format string, operands ...any) string {
	if false {
		_ = fmt.Sprintf(format, operands...) // so that vet checks the calls
	}
	return fmt.Sprintf(format, shown(operands)...)
}

// Printf is fmt.Printf with the operands of Sprintf.
func Printf(format string, operands ...any) (int, error) {
	if false {
		_ = fmt.Sprintf(format, operands...)
	}
	return fmt.Fprintf(os.Stdout, format, shown(operands)...)
}

// Fprintf is fmt.Fprintf with the operands of Sprintf.
func Fprintf(w io.Writer, format string, operands ...any) (int, error) {
	if false {
		_ = fmt.Sprintf(format, operands...)
	}
	return fmt.Fprintf(w, format, shown(operands)...)
}

// Println prints operands as a line to the standard output, with blanks between them.
func Println(operands ...any) (int, error) { return Fprintln(os.Stdout, operands...) }

// Fprintln writes operands as a line, with blanks between them.
func Fprintln(w io.Writer, operands ...any) (int, error) {
	return fmt.Fprintln(w, shown(operands)...)
}

// shown wraps operands that may contain text from a file.
func shown(operands []any) []any {
	out := make([]any, len(operands))
	for i, v := range operands {
		if out[i] = v; !plain(v) {
			out[i] = operand{v}
		}
	}
	return out
}

// plain reports whether a value is a number or similar, which prints unchanged. Widths among the
// operands must stay integers.
func plain(v any) bool {
	if _, ok := v.(fmt.Formatter); ok {
		return false
	}
	if _, ok := v.(fmt.Stringer); ok {
		return false
	}
	if _, ok := v.(error); ok {
		return false
	}
	switch reflect.ValueOf(v).Kind() {
	case reflect.Invalid, reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return true
	}
	return false
}

// operand is an operand whose text is made safe for a line.
type operand struct{ value any }

// Format implements fmt.Formatter.
func (o operand) Format(s fmt.State, verb rune) {
	directive := fmt.FormatString(s, verb)
	if verb != 's' && verb != 'v' || s.Flag('#') {
		io.WriteString(s, Cut(Line(fmt.Sprintf(directive, o.value)), MostText))
		return
	}
	bare := "%" + string(verb)
	if s.Flag('+') {
		bare = "%+" + string(verb)
	}
	text := fmt.Sprintf(bare, o.value)
	if _, ok := o.value.(error); ok {
		text = oneLine(text)
	}
	// The width counts the characters that are shown.
	fmt.Fprintf(s, directive, Cut(Line(text), MostText))
}
