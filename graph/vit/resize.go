package vit

import (
	"fmt"

	"fasternet/graph"
	"fasternet/ops"
)

// ForSize implements [graph.Sized]: the position embeddings are interpolated.
func (m *Model) ForSize(imageSize int) (graph.Model, error) {
	if side := m.Arch().Side(imageSize); m.grid == [2]int{side, side} {
		return m, nil
	}
	to, err := New(m.Config(), imageSize, 0)
	if err != nil {
		return nil, err
	}
	to.Store().CopyFrom(m.Store(), func(name string, src []float32) []float32 {
		if name != "pos_embed" {
			return src
		}
		return ops.ResizePositions(src, 1, m.Arch().EmbedDim, m.grid, to.grid, ops.Antialiased)
	})
	return to, graph.KeepInt8(m, to)
}

// SizeNote implements [graph.Sized].
func (m *Model) SizeNote(imageSize int) string {
	from, to := m.grid[0], m.Arch().Side(imageSize)
	if from == to {
		return ""
	}
	return fmt.Sprintf("position embeddings of a %d×%[1]d grid are interpolated for %d×%[2]d", from, to)
}
