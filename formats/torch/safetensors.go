package torch

import (
	"fmt"
	"io"

	"fasternet/formats"
	"fasternet/formats/safetensors"
	"fasternet/internal/disk"
)

func parseSafetensors(r io.ReaderAt, size int64, o Options) (*State, error) {
	l, err := safetensors.ReadLayout(r, size)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	var all set
	for _, t := range l.Tensors {
		if err := safetensors.CheckType(t); err != nil {
			return nil, err
		}
		read := func() (formats.Tensor, error) { return safetensors.ReadTensor(r, t) }
		all.items = append(all.items, item{t.Name, t.Shape, read})
	}
	s, err := take("safetensors file", []set{all}, o)
	if err != nil {
		return nil, err
	}
	s.Meta = l.Meta
	return s, nil
}

// Meta reads the text in the header of a safetensors file. For any other file it returns nil.
func Meta(path string) (map[string]string, error) {
	f, size, err := disk.OpenSize(path)
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	defer f.Close()
	if kind(f) != safetensorsFile {
		return nil, nil
	}
	meta, err := safetensors.ReadMeta(f, size)
	if err != nil {
		return nil, fmt.Errorf("%s: safetensors: %w", path, err)
	}
	return meta, nil
}
