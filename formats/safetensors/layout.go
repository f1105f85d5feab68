// Package safetensors reads and writes files of tensors in the format safetensors
// (github.com/huggingface/safetensors): the length of the header in eight bytes, a header in JSON,
// values. Read and ReadLayout accept only complete files. Examine reads a damaged file to its end
// and lists everything that is wrong.
//
// It reads files from anybody: a header takes memory in proportion to its length, and values only
// if all of them are in the file. It reads values in place, one tensor at a time, and writes them
// without a copy.
package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"fasternet/formats"
)

// maxHeader is the largest header that the format allows, in bytes.
const maxHeader = 100_000_000

// maxProblems is how many problems of a file are listed.
const maxProblems = 100

// metaKey is the one entry of a header that is not a tensor.
const metaKey = "__metadata__"

// dtypes has the types that can be read, and sizes the bytes of a value of each type of the format.
var (
	dtypes = map[string]formats.DType{
		"F16": formats.Float16, "BF16": formats.BFloat16, "F32": formats.Float32, "F64": formats.Float64,
		"BOOL": formats.Bool, "U8": formats.Uint8, "I8": formats.Int8,
		"I16": formats.Int16, "I32": formats.Int32, "I64": formats.Int64,
	}
	sizes = map[string]int{
		"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "F8_E8M0": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
		"I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8, "C64": 8,
	}
)

// Layout is what the header of a file says.
type Layout struct {
	Meta    map[string]string
	Tensors []formats.Stored // in the order of their values
	Start   int64            // where the values begin
	End     int64            // where the file should end, by its header
	Size    int64            // where it ends
	// Problems lists what is wrong with the tensors, at most 100 errors of type [TensorError].
	// That a file ends before or after End is not among them.
	Problems []error
}

// TensorError says what is wrong with a tensor.
type TensorError struct {
	Name string
	Err  error
}

func (e *TensorError) Error() string {
	return fmt.Sprintf("tensor %s: %v", formats.Short(e.Name), e.Err)
}

func (e *TensorError) Unwrap() error { return e.Err }

// IsFile says whether a name is the name of a safetensors file.
func IsFile(name string) bool { return strings.EqualFold(filepath.Ext(name), ".safetensors") }

// ReadLayout reads the header of a file of this size. The error says why the file is not complete,
// or has a different format.
func ReadLayout(r io.ReaderAt, size int64) (*Layout, error) {
	l, err := Examine(r, size)
	switch {
	case err != nil:
		return nil, err
	case l.End > size:
		return nil, fmt.Errorf("it is cut off: %d bytes of %d", size, l.End)
	case len(l.Problems) > 0:
		return nil, l.Problems[0]
	case l.End < size:
		return nil, fmt.Errorf("there are %d bytes too many at its end", size-l.End)
	}
	return l, nil
}

// Examine reads the header of a file that may be damaged: values may be missing, and it lists
// everything that is wrong with tensors. It is an error when the header cannot be read.
func Examine(r io.ReaderAt, size int64) (*Layout, error) {
	head, err := header(r, size)
	if err != nil {
		return nil, err
	}
	l := &Layout{Start: 8 + int64(len(head)), Size: size}
	if err := l.parse(head); err != nil {
		return nil, fmt.Errorf("its header is damaged: %s", formats.Short(err.Error()))
	}
	l.check()
	return l, nil
}

// ReadMeta reads only the metadata of a file: its tensors may be damaged.
func ReadMeta(r io.ReaderAt, size int64) (map[string]string, error) {
	l, err := Examine(r, size)
	if err != nil {
		return nil, err
	}
	return l.Meta, nil
}

// header reads the text of the header.
func header(r io.ReaderAt, size int64) ([]byte, error) {
	var length [8]byte
	if size < int64(len(length)) {
		return nil, fmt.Errorf("it is cut off: %d bytes; want at least 8", size)
	}
	if n, err := r.ReadAt(length[:], 0); n < len(length) {
		return nil, err
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > uint64(size-8) {
		return nil, fmt.Errorf("not a safetensors file, or cut off in its header: a header of %d bytes in a file of %d",
			n, size)
	}
	if n > maxHeader {
		return nil, fmt.Errorf("a header of %d bytes: want at most %d", n, maxHeader)
	}
	head := make([]byte, n)
	if n, err := r.ReadAt(head, 8); n < len(head) {
		return nil, err
	}
	return head, nil
}

// entry is what a header says about a tensor.
type entry struct {
	Type    *string  `json:"dtype"`
	Shape   *[]int64 `json:"shape"`
	Offsets *[]int64 `json:"data_offsets"` // from the end of the header
}

// parse lists the tensors of a header. It is an error when the text is not a header.
func (l *Layout) parse(head []byte) error {
	d := json.NewDecoder(bytes.NewReader(head))
	d.DisallowUnknownFields()
	if open, err := d.Token(); err != nil {
		return err
	} else if open != json.Delim('{') {
		return errors.New("want an object")
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		if name == metaKey {
			if err := d.Decode(&l.Meta); err != nil {
				return fmt.Errorf("its metadata: %w", err)
			}
			continue
		}
		var e entry
		start := d.InputOffset()
		err = d.Decode(&e)
		syntax := (*json.SyntaxError)(nil)
		if errors.As(err, &syntax) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		l.add(name, e, err == nil && exact(head[start:d.InputOffset()]))
	}
	if _, err := d.Token(); err != nil { // the end of the object
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("want one JSON object, got more after the object")
	}
	return nil
}

// exact reports whether the text of an entry has its keys in lower case. Go's JSON takes "Shape" for "shape", but
// other readers do not, and a damaged file would pass for a whole one.
func exact(text []byte) bool {
	for _, key := range []string{`"dtype"`, `"shape"`, `"data_offsets"`} {
		if !bytes.Contains(text, []byte(key)) {
			return false
		}
	}
	return true
}

func (l *Layout) problem(name string, format string, args ...any) {
	if len(l.Problems) < maxProblems {
		l.Problems = append(l.Problems, &TensorError{name, fmt.Errorf(format, args...)})
	}
}

// add adds a tensor. If its place in the file is not clear, it adds a problem instead.
func (l *Layout) add(name string, e entry, valid bool) {
	if !valid || e.Type == nil || e.Shape == nil || e.Offsets == nil || len(*e.Offsets) != 2 {
		l.problem(name, `its entry in the header: want {"dtype": "…", "shape": [sizes], "data_offsets": [from, to]}`)
		return
	}
	const farthest = 1 << 50 // larger than any file, and sums with it do not overflow
	from, to := (*e.Offsets)[0], (*e.Offsets)[1]
	if from < 0 || to < from || to > farthest {
		l.problem(name, "bytes %d to %d are not part of a file", from, to)
		return
	}
	s := formats.Stored{
		Name:  name,
		Type:  *e.Type,
		DType: dtypes[*e.Type],
		Shape: make([]int, len(*e.Shape)),
		From:  l.Start + from,
		To:    l.Start + to,
	}
	for i, n := range *e.Shape {
		s.Shape[i] = int(n)
	}
	l.Tensors = append(l.Tensors, s)
}

// check finds what is wrong with each tensor, and with its place among the others.
func (l *Layout) check() {
	slices.SortStableFunc(l.Tensors, func(a, b formats.Stored) int {
		if a.From != b.From {
			return int(max(-1, min(1, a.From-b.From)))
		}
		return int(max(-1, min(1, a.To-b.To)))
	})
	seen := make(map[string]bool, len(l.Tensors))
	l.End = l.Start
	for _, t := range l.Tensors {
		switch size, known := sizes[t.Type]; {
		case seen[t.Name]:
			l.problem(t.Name, "there are two of that name")
		case t.From < l.End:
			l.problem(t.Name, "its values begin at byte %d of the file, before others end at byte %d", t.From, l.End)
		case t.From > l.End:
			l.problem(t.Name, "its values begin at byte %d of the file, but the values before end at byte %d: "+
				"the bytes between belong to no tensor", t.From, l.End)
		case known: // ReadTensor refuses others
			if err := t.Check(size); err != nil {
				l.problem(t.Name, "%w", err)
			}
		}
		seen[t.Name] = true
		l.End = max(l.End, t.To)
	}
}
