// Package npy reads and writes arrays of float32 in NumPy's format .npy.
//
// It reads files from anybody: no header can make it allocate more than a small multiple of what
// the file holds, and anything that it does not understand is an error.
package npy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"fasternet/formats"
	"fasternet/internal/disk"
)

// A .npy file has magic, version, length of the header, header, values. The header is a Python
// dict literal with the keys descr, fortran_order and shape (numpy.lib.format, versions 1.0, 2.0
// and 3.0).
const (
	npyMagic  = "\x93NUMPY"
	maxHeader = 1 << 16 // bytes; the header of a float32 array has about a hundred
)

// IsFile says whether a name is the name of a .npy file.
func IsFile(name string) bool { return strings.EqualFold(filepath.Ext(name), ".npy") }

// ReadFile reads the array of a .npy file.
func ReadFile(path string) (formats.Tensor, error) {
	f, size, err := disk.OpenSize(path)
	if err != nil {
		return formats.Tensor{}, fmt.Errorf("npy: %w", err)
	}
	defer f.Close()
	s, err := ReadLayout(f, size)
	if err != nil {
		return formats.Tensor{}, fmt.Errorf("npy: %s: %w", path, err)
	}
	t, err := s.Read(f)
	if err != nil {
		return formats.Tensor{}, fmt.Errorf("npy: %s: %w", path, err)
	}
	return t, nil
}

// ReadLayout reads the header of a .npy file of this length: the shape of the array, and where its
// values are.
func ReadLayout(r io.ReaderAt, length int64) (s formats.Stored, err error) {
	raw := make([]byte, min(length, int64(len(npyMagic)+6+maxHeader))) // the header and more
	if _, err := r.ReadAt(raw, 0); err != nil && !errors.Is(err, io.EOF) {
		return s, err
	}
	if len(raw) < len(npyMagic)+4 || string(raw[:len(npyMagic)]) != npyMagic {
		return s, errors.New("not a .npy file: its first bytes are different")
	}
	major, rest := raw[len(npyMagic)], raw[len(npyMagic)+2:]
	var size int
	switch {
	case major == 1:
		size, rest = int(binary.LittleEndian.Uint16(rest)), rest[2:]
	case (major == 2 || major == 3) && len(rest) >= 4:
		size, rest = int(binary.LittleEndian.Uint32(rest)), rest[4:]
	default:
		return s, fmt.Errorf("version %d of the .npy format: want 1, 2 or 3", major)
	}
	if size > maxHeader {
		return s, fmt.Errorf("a header of %d bytes: want at most %d", size, maxHeader)
	}
	if size > len(rest) {
		return s, errors.New("the file is truncated: it ends in its header")
	}
	h := header{text: string(rest[:size])}
	if err := h.parse(); err != nil {
		return s, fmt.Errorf("the header of the .npy file: %w", err)
	}
	switch {
	case h.descr != "<f4":
		return s, fmt.Errorf("values of type %q: want little-endian float32 (\"<f4\"): x.astype(\"<f4\") in NumPy",
			h.descr)
	case h.fortran && len(h.shape) > 1:
		return s, errors.New("the array is in Fortran order: want C order: numpy.ascontiguousarray(x)")
	}
	from := int64(len(raw) - len(rest) + size)
	s = formats.Stored{Type: "float32", DType: formats.Float32, Shape: h.shape, From: from, To: length}
	return s, s.Check(s.DType.Size())
}

// header is the dict of a .npy file, and the rest of its text that is not parsed yet.
type header struct {
	text    string
	descr   string
	fortran bool
	shape   []int
}

func (h *header) parse() error {
	if !h.take("{") {
		return errors.New("want a dict")
	}
	seen := map[string]bool{}
	for !h.take("}") {
		key, err := h.str()
		if err != nil {
			return err
		}
		if seen[key] || !h.take(":") {
			return fmt.Errorf("key %q: want it once, with a value", key)
		}
		seen[key] = true
		switch key {
		case "descr":
			h.descr, err = h.str()
		case "fortran_order":
			h.fortran = h.take("True")
			if !h.fortran && !h.take("False") {
				err = errors.New("fortran_order: want True or False")
			}
		case "shape":
			h.shape, err = h.tuple()
		default:
			err = fmt.Errorf("unknown key %q", key)
		}
		if err != nil {
			return err
		}
		if h.take(",") {
			continue
		}
		if !h.take("}") {
			return errors.New("the dict does not end")
		}
		break
	}
	if len(seen) != 3 {
		return errors.New("want the keys descr, fortran_order and shape")
	}
	if strings.TrimSpace(h.text) != "" {
		return errors.New("there is more after the dict")
	}
	return nil
}

// take removes a token from the start of the text, if it is there.
func (h *header) take(token string) bool {
	rest := strings.TrimLeft(h.text, " \t\n\r")
	if !strings.HasPrefix(rest, token) {
		return false
	}
	h.text = rest[len(token):]
	return true
}

func (h *header) str() (string, error) {
	for _, quote := range []string{"'", `"`} {
		if h.take(quote) {
			s, rest, ok := strings.Cut(h.text, quote)
			if !ok || strings.Contains(s, `\`) {
				return "", errors.New("a string does not end, or has a backslash")
			}
			h.text = rest
			return s, nil
		}
	}
	return "", errors.New("want a string (structured arrays are not supported)")
}

func (h *header) tuple() ([]int, error) {
	if !h.take("(") {
		return nil, errors.New("shape: want a tuple")
	}
	shape := []int{}
	for !h.take(")") {
		rest := strings.TrimLeft(h.text, " \t\n\r")
		digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
		n, err := strconv.Atoi(digits)
		if err != nil {
			return nil, errors.New("shape: want sizes that are whole numbers, not negative and not too large")
		}
		if shape = append(shape, n); len(shape) > formats.MaxDims {
			return nil, fmt.Errorf("shape: want at most %d sizes", formats.MaxDims)
		}
		h.text = rest[len(digits):]
		if h.take(",") {
			continue
		}
		if !h.take(")") {
			return nil, errors.New("shape: the tuple does not end")
		}
		break
	}
	return shape, nil
}

// Write writes an array in the .npy format, version 1.0. The shape must fit the number of values.
func Write(w io.Writer, shape []int, values []float32) error {
	n := 1
	var sizes strings.Builder
	for _, d := range shape {
		n *= d
		fmt.Fprintf(&sizes, "%d, ", d)
	}
	if n != len(values) {
		return fmt.Errorf("npy: shape %v does not have %d values", shape, len(values))
	}
	tuple := strings.TrimSuffix(sizes.String(), " ") // (3,) (2, 3,)
	if len(shape) > 1 {
		tuple = strings.TrimSuffix(tuple, ",")
	}
	dict := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", tuple)
	const align, fixed = 64, len(npyMagic) + 4
	pad := align - (fixed+len(dict)+1)%align
	var head bytes.Buffer
	head.WriteString(npyMagic + "\x01\x00")
	head.Write(binary.LittleEndian.AppendUint16(nil, uint16(len(dict)+pad+1)))
	head.WriteString(dict + strings.Repeat(" ", pad) + "\n")
	if _, err := w.Write(head.Bytes()); err != nil {
		return err
	}
	_, err := w.Write(formats.Tensor{F32: values}.Bytes())
	return err
}
