package model

import (
	"fmt"
	"slices"

	"fasternet/data/classes"
	"fasternet/formats"
)

// matchHead makes the classifier of a source one for the classes of the data set: its rows
// go where the classes of the same names are. A classifier for other classes is removed,
// since its rows would answer for something else; the model then keeps its fresh one.
func (s *source) matchHead(names []string, outputs int) {
	rows := classesOf(s.state.Tensors)
	if len(names) == 0 || rows == 0 || s.pretrained() {
		return
	}
	m := classes.Compare(names, s.classes)
	note, err := m.Judge("the data set", "the checkpoint")
	switch {
	case m.Kind == classes.Same:
		return
	case m.Kind == classes.Unnamed && rows != outputs: // what Import says of it is enough
		return
	case m.Kind == classes.Unnamed && err == nil:
		s.notes = append(s.notes, "classifier: "+note)
		return
	case m.Kind == classes.Reordered && rows == outputs:
		if order, err := m.Permutation(outputs); err == nil {
			permuteHead(s.state.Tensors, order)
			s.notes = append(s.notes, "classifier: "+note)
			return
		}
	}
	s.removeHead()
	what := "is for other classes"
	if rows != outputs {
		what = fmt.Sprintf("is for %d classes, the model for %d", rows, outputs)
	}
	note = fmt.Sprintf("the classifier %s: it is left out and begins with fresh values", what)
	if m.Kind != classes.Unnamed {
		note += fmt.Sprintf("; of the %d classes of the data set the checkpoint has %d by name (%s)", len(names), m.Common(), m.Difference("the data set", "the checkpoint"))
	}
	s.notes = append(s.notes, note)
}

// removeHead leaves the classifier out.
func (s *source) removeHead() {
	s.newHead = true
	s.state.Tensors = slices.DeleteFunc(slices.Clone(s.state.Tensors), func(t formats.Tensor) bool { return slices.Contains(classifier, t.Name) })
}

// permuteHead moves the rows of a classifier: row i of the new one is row order[i].
func permuteHead(ts []formats.Tensor, order []int) {
	for k, t := range ts {
		if !slices.Contains(classifier, t.Name) || t.F32 == nil || len(t.Shape) == 0 || t.Shape[0] != len(order) {
			continue
		}
		width := len(t.F32) / len(order)
		moved := make([]float32, 0, len(t.F32))
		for _, at := range order {
			moved = append(moved, t.F32[at*width:(at+1)*width]...)
		}
		ts[k].F32 = moved
	}
}
