package graph

import (
	"fmt"

	"fasternet/configs"
)

// Copy returns a copy of a model, for images of the same size, with its own parameters. A copy of a
// model in 8 bits is in 8 bits too.
func Copy(m Model, imageSize int) (Model, error) {
	described, ok := m.(interface{ Config() configs.Model })
	if !ok {
		return nil, fmt.Errorf("graph: Copy of a %T, which has no configuration", m)
	}
	build := func() (Model, error) { return New(described.Config(), imageSize, 0) }
	if f, ok := m.(Foldable); ok && f.Folded() {
		build = func() (Model, error) { return NewFolded(described.Config(), imageSize) }
	}
	out, err := build()
	if err != nil {
		return nil, err
	}
	for i, e := range out.Store().Entries {
		from := m.Store().Entries[i]
		switch {
		case e.Param != nil:
			copy(e.Param.Data(), from.Param.Data())
			e.Param.Changed()
		case e.Buffer != nil:
			copy(e.Buffer, from.Buffer)
		default:
			*e.Counter = *from.Counter
		}
	}
	return out, KeepInt8(m, out)
}
