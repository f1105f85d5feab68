package model

import (
	"fmt"
	"slices"

	"fasternet/data/classes"
	"fasternet/formats"
)

// matchHead reorders the rows of a source's classifier for the classes of the data set, by class name. It
// removes a classifier for other classes, whose rows would mean something else. The model then keeps
// fresh values.
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
	case m.Kind == classes.Unnamed && rows != outputs: // Import says enough about it
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
	note = fmt.Sprintf("the classifier %s: it is replaced by a fresh one", what)
	if m.Kind != classes.Unnamed {
		note += fmt.Sprintf("; the checkpoint has %[2]d of the %[1]d classes of the data set by name (%[3]s)",
			len(names), m.Common(), m.Difference("the data set", "the checkpoint"))
	}
	s.notes = append(s.notes, note)
}

// removeHead removes the classifier.
func (s *source) removeHead() {
	s.newHead = true
	s.state.Tensors = slices.DeleteFunc(slices.Clone(s.state.Tensors), func(t formats.Tensor) bool {
		return slices.Contains(classifier, t.Name)
	})
}

// permuteHead reorders the rows of a classifier: row i of the new one is row order[i].
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
