package graph

import (
	"fmt"
	"strings"

	"fasternet/layers"
	"fasternet/ops"
)

// ForSize is a model as its configuration describes it for images of another
// size, with the logits that it gives there: the position embeddings of a ViT
// are interpolated; the tables of a Swin lose the places that windows of a
// smaller map do not have. It is the model itself if nothing changes. The error
// is for a Swin whose windows would be larger than its tables.
func ForSize(m Model, imageSize int) (Model, error) {
	switch m := m.(type) {
	case *ViT:
		if side := m.config.Side(imageSize); m.grid != [2]int{side, side} {
			return m.forSize(imageSize)
		}
	case *Swin:
		return m.forSize(imageSize)
	}
	return m, nil
}

func (m *ViT) forSize(imageSize int) (Model, error) {
	to, err := NewViT(m.config, imageSize, 0)
	if err != nil {
		return nil, err
	}
	copyState(to.store, m.store, func(name string, src []float32) []float32 {
		if name != "pos_embed" {
			return src
		}
		return ops.ResizePositions(src, 1, m.config.EmbedDim, m.grid, to.grid, ops.Antialiased)
	})
	return to, nil
}

func (m *Swin) forSize(imageSize int) (Model, error) {
	sides, changed := windowSides(m.config, imageSize), false
	for i, s := range m.stages {
		if sides[i] > s.side {
			return nil, fmt.Errorf("graph: for images of %d pixels the windows of stage %d are of %d×%[3]d tokens, but the model was made for a size at which they are of %d×%[4]d: "+
				"its tables of position bias are too small", imageSize, i+1, sides[i], s.side)
		}
		changed = changed || sides[i] != s.side
	}
	if !changed {
		return m, nil
	}
	to, err := NewSwin(m.config, imageSize, 0)
	if err != nil {
		return nil, err
	}
	copyState(to.store, m.store, func(name string, src []float32) []float32 {
		var stage int
		if !strings.HasSuffix(name, ".relative_position_bias_table") {
			return src
		}
		if _, err := fmt.Sscanf(name, "layers.%d.", &stage); err != nil {
			return src
		}
		return middle(src, m.stages[stage].side, sides[stage], m.config.NumHeads[stage])
	})
	return to, nil
}

// middle is the part of a table for windows of one side that windows of a
// smaller one use.
func middle(table []float32, from, to, heads int) []float32 {
	var out []float32
	span := 2*from - 1
	for dy := 1 - to; dy < to; dy++ {
		row := (dy+from-1)*span + from - to
		out = append(out, table[row*heads:(row+2*to-1)*heads]...)
	}
	return out
}

// copyState copies parameters and buffers, after a change.
func copyState(to, from *layers.Store, change func(name string, src []float32) []float32) {
	for _, e := range to.Entries {
		src, _ := from.Lookup(e.Name)
		switch {
		case e.Param != nil:
			copy(e.Param.Data(), change(e.Name, src.Param.Data()))
			e.Param.Changed()
		case e.Buffer != nil:
			copy(e.Buffer, change(e.Name, src.Buffer))
		}
	}
}
