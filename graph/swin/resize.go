package swin

import (
	"fmt"
	"strings"

	"fasternet/graph"
)

// ForSize implements [graph.Sized]: the tables of position bias lose the places that windows of a
// smaller map do not have. Windows larger than the tables are an error.
func (m *Model) ForSize(imageSize int) (graph.Model, error) {
	sides, changed := windowSides(m.Arch(), imageSize), false
	for i, s := range m.stages {
		if sides[i] > s.Side {
			return nil, fmt.Errorf("swin: for images of %d pixels the windows of stage %d are of %d×%[3]d tokens, "+
				"but the model was made for a size at which they are of %d×%[4]d: "+
				"its tables of position bias are too small", imageSize, i+1, sides[i], s.Side)
		}
		changed = changed || sides[i] != s.Side
	}
	if !changed {
		return m, nil
	}
	to, err := New(m.Config(), imageSize, 0)
	if err != nil {
		return nil, err
	}
	to.Store().CopyFrom(m.Store(), func(name string, src []float32) []float32 {
		var stage int
		if !strings.HasSuffix(name, ".relative_position_bias_table") {
			return src
		}
		if _, err := fmt.Sscanf(name, "layers.%d.", &stage); err != nil {
			return src
		}
		return middle(src, m.stages[stage].Side, sides[stage], m.Arch().NumHeads[stage])
	})
	return to, graph.KeepInt8(m, to)
}

// middle returns the part of a table for windows of one side that windows of a smaller side use.
func middle(table []float32, from, to, heads int) []float32 {
	var out []float32
	span := 2*from - 1
	for dy := 1 - to; dy < to; dy++ {
		row := (dy+from-1)*span + from - to
		out = append(out, table[row*heads:(row+2*to-1)*heads]...)
	}
	return out
}

// SizeNote implements [graph.Sized]: smaller windows need no note.
func (m *Model) SizeNote(int) string { return "" }
