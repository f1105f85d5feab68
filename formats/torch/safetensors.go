package torch

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"fasternet/internal/disk"

	"github.com/nlpodyssey/safetensors"
)

var safetensorsTypes = map[safetensors.DType]dtype{
	safetensors.F16: float16, safetensors.BF16: bfloat16, safetensors.F32: float32s, safetensors.F64: float64s,
	safetensors.BOOL: bools, safetensors.U8: uint8s, safetensors.I8: int8s,
	safetensors.I16: int16s, safetensors.I32: int32s, safetensors.I64: int64s,
}

func parseSafetensors(r io.ReaderAt, size int64, o Options) (*State, error) {
	if _, err := header(r, size); err != nil {
		return nil, err
	}
	raw := make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(r, 0, size), raw); err != nil {
		return nil, err
	}
	_, meta, err := safetensors.ReadMetadata(raw)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %s", short(err.Error()))
	}
	file, err := safetensors.Deserialize(raw)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %s", short(err.Error()))
	}
	var all set
	budget := size + spareElements
	for _, e := range file.Tensors() {
		d, ok := safetensorsTypes[e.TensorView.DType()]
		if !ok {
			return nil, fmt.Errorf("tensor %s is of type %v, which is not supported", short(e.Name), e.TensorView.DType())
		}
		shape := make([]int, len(e.TensorView.Shape()))
		for i, n := range e.TensorView.Shape() {
			shape[i] = int(n)
		}
		n, err := elements(shape, &budget)
		if err != nil {
			return nil, fmt.Errorf("tensor %s: %w", short(e.Name), err)
		}
		all.items = append(all.items, item{e.Name, shape, func() (Tensor, error) {
			return d.tensor(e.Name, strided{shape: shape, stride: contiguous(shape)}, n, e.TensorView.Data()), nil
		}})
	}
	s, err := take("safetensors file", []set{all}, o)
	if err != nil {
		return nil, err
	}
	s.Meta = meta.Metadata()
	return s, nil
}

// header reads the bytes of a safetensors header.
func header(r io.ReaderAt, size int64) ([]byte, error) {
	var b [8]byte
	if _, err := r.ReadAt(b[:], 0); err != nil {
		return nil, ErrFormat
	}
	n := binary.LittleEndian.Uint64(b[:])
	if n > maxHeader || int64(n)+8 > size {
		return nil, fmt.Errorf("safetensors: a header of %d bytes in a file of %d", n, size)
	}
	text := make([]byte, n)
	if _, err := r.ReadAt(text, 8); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return text, nil
}

// Meta reads the text in the header of a safetensors file. Of any other file
// it is nil.
func Meta(path string) (map[string]string, error) {
	f, err := disk.Open(path)
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	if kind(f) != safetensorsFile {
		return nil, nil
	}
	text, err := header(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var h struct {
		Meta map[string]string `json:"__metadata__"`
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&h); err != nil {
		return nil, fmt.Errorf("%s: safetensors: its header: %s", path, short(strings.TrimPrefix(err.Error(), "json: ")))
	}
	return h.Meta, nil
}
