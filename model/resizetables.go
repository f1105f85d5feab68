package model

import (
	"fmt"
	"slices"
	"strings"

	"fasternet/formats"
	"fasternet/graph/foreign"
	"fasternet/layers"
)

// fitSizes resizes tensors for images or windows of another size, as their family does. Tensors that
// differ in another way stay as they are.
func fitSizes(
	f foreign.Family,
	ts []formats.Tensor,
	store *layers.Store,
	antialias bool,
) (out []formats.Tensor, notes []string) {
	if f.Fit == nil {
		return ts, nil
	}
	out = slices.Clone(ts)
	var kinds []string // of notes
	count := map[string]int{}
	for i, t := range out {
		e, ok := store.Lookup(t.Name)
		if !ok || len(t.F32) == 0 || len(t.Shape) != len(e.Shape) || slices.Equal(t.Shape, e.Shape) {
			continue
		}
		fitted, note, ok := f.Fit(foreign.Tensor{Name: t.Name, Shape: t.Shape, F32: t.F32}, e.Shape, antialias)
		if !ok {
			continue
		}
		out[i].Shape, out[i].F32 = fitted.Shape, fitted.F32
		if count[note]++; count[note] == 1 {
			kinds = append(kinds, note)
		}
	}
	for _, note := range kinds {
		if strings.Contains(note, "%d") {
			note = fmt.Sprintf(note, count[note])
		}
		notes = append(notes, strings.Split(note, "\n")...)
	}
	return out, notes
}
