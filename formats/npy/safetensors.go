package npy

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// The format: the length of the header in eight bytes, the header, values. The header is
// a JSON object of the tensors by their names (github.com/huggingface/safetensors). The
// library that checkpoints are read with wants the whole file in memory.
const maxTensorHeader = 100_000_000 // bytes; what other readers refuse

// tensor is what the header says of one.
type tensor struct {
	Type    string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"` // from the end of the header
}

// ParseSafetensors finds an array in the content of a safetensors file: the only
// tensor, or else the one that is called name.
func ParseSafetensors(raw []byte, name string) (*Array, error) {
	return parseSafetensors(bytes.NewReader(raw), int64(len(raw)), name)
}

func parseSafetensors(r io.ReaderAt, size int64, name string) (*Array, error) {
	var length [8]byte
	if _, err := r.ReadAt(length[:], 0); err != nil {
		return nil, errors.New("not a safetensors file: it is too short")
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > maxTensorHeader || int64(n) > size-8 {
		return nil, fmt.Errorf("not a safetensors file, or truncated: a header of %d bytes in a file of %d", n, size)
	}
	head := make([]byte, n)
	if _, err := r.ReadAt(head, 8); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	tensors, err := tensorsOf(head)
	if err != nil {
		return nil, fmt.Errorf("the header of the safetensors file: %w", err)
	}
	values := size - 8 - int64(n) // bytes
	var end int64
	for other, t := range tensors {
		if len(tensors) == 1 {
			name = other
		}
		if t.Offsets[0] < 0 || t.Offsets[1] < t.Offsets[0] || t.Offsets[1] > values {
			return nil, fmt.Errorf("tensor %s is not in the file, which may be truncated: bytes %d to %d of %d", other, t.Offsets[0], t.Offsets[1], values)
		}
		end = max(end, t.Offsets[1])
	}
	t, ok := tensors[name]
	switch {
	case !ok:
		return nil, fmt.Errorf("want one tensor, or one that is called %s, among %d", name, len(tensors))
	case end != values:
		return nil, fmt.Errorf("there are %d bytes of values, the header tells of %d", values, end)
	case t.Type != "F32":
		return nil, fmt.Errorf("tensor %s is of type %s: want float32 (F32)", name, t.Type)
	}
	a := &Array{Shape: t.Shape, content: r, first: 8 + int64(n) + t.Offsets[0], bytes: t.Offsets[1] - t.Offsets[0]}
	if err := a.check(); err != nil {
		return nil, fmt.Errorf("tensor %s: %w", name, err)
	}
	return a, nil
}

// tensorsOf are the tensors that a header tells of.
func tensorsOf(head []byte) (map[string]tensor, error) {
	var entries map[string]json.RawMessage
	if err := json.Unmarshal(head, &entries); err != nil {
		return nil, err
	}
	tensors := map[string]tensor{}
	for name, entry := range entries {
		if name == "__metadata__" {
			continue
		}
		var t tensor
		if err := json.Unmarshal(entry, &t); err != nil {
			return nil, fmt.Errorf("tensor %s: %w", name, err)
		}
		tensors[name] = t
	}
	return tensors, nil
}
