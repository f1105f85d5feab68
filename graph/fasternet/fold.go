package fasternet

import (
	"errors"
	"reflect"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/layers"
)

// NewFolded makes a model in folded form, with parameters of zeros under the names of the official
// folded state dict, e.g. "patch_embed.proj.bias".
func NewFolded(c configs.Model) (*Model, error) {
	return graph.Make[*Model](Family(), c, 0, layers.NewFoldedStore())
}

// Folded implements [graph.Foldable].
func (m *Model) Folded() bool { return m.Store().Folded }

// Fold implements [graph.Foldable].
func (m *Model) Fold() (graph.Model, error) {
	if m.Folded() {
		return m, nil
	}
	f, err := NewFolded(m.Config())
	if err != nil {
		return nil, err
	}
	m.foldInto(f)
	return f, nil
}

// Refold implements [graph.Foldable].
func (m *Model) Refold(folded graph.Model) error {
	f, ok := folded.(*Model)
	switch {
	case ok && f == m:
		return nil
	case !ok || !f.Folded() || m.Folded() || !reflect.DeepEqual(f.Config(), m.Config()):
		return errors.New("fasternet: Refold of a model that is not the folded form of this one")
	}
	m.foldInto(f)
	return nil
}

func (m *Model) foldInto(f *Model) {
	m.embed.Fold(f.embed)
	for i, l := range m.merges {
		l.Fold(f.merges[i])
	}
	for i, stage := range m.stages {
		for j, b := range stage {
			b.Fold(f.stages[i][j])
		}
	}
	m.head.Fold(f.head)
}
