package export

import (
	"fmt"

	"fasternet/formats"
	"fasternet/graph"
)

// halved copies a model and rounds its parameters and buffers to float16, like the values in the
// file.
func halved(m graph.Model, size int) (graph.Model, error) {
	if graph.IsInt8(m) {
		return nil, fmt.Errorf("export: the model is in 8 bits and cannot be written in float16")
	}
	out, err := graph.Copy(m, size)
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	for _, e := range out.Store().Entries {
		values := e.Buffer
		if e.Param != nil {
			values = e.Param.Data()
		}
		for i, v := range values {
			h, err := formats.ToHalf(v)
			if err != nil {
				return nil, fmt.Errorf("export: %s[%d]: %w", e.Name, i, err)
			}
			values[i] = formats.Half(h)
		}
		if e.Param != nil {
			e.Param.Changed()
		}
	}
	return out, nil
}
