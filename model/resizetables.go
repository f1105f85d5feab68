package model

import (
	"fmt"
	"slices"
	"strings"

	"fasternet/formats"
	"fasternet/layers"
	"fasternet/ops"
)

// fitSizes makes tensors of a transformer for images or windows of another size: position
// embeddings [1, 1 + side², C] for the grid of the model, and tables of position bias
// [(2·side-1)², heads] for its windows. Other tensors, and those that do not fit in
// another way, stay as they are.
func fitSizes(ts []formats.Tensor, store *layers.Store, how ops.Bicubic) (out []formats.Tensor, notes []string) {
	out = slices.Clone(ts)
	var sizes []string // of windows, from and to
	tables := map[string]int{}
	for i, t := range out {
		e, ok := store.Lookup(t.Name)
		if !ok || len(t.F32) == 0 || len(t.Shape) != len(e.Shape) || slices.Equal(t.Shape, e.Shape) {
			continue
		}
		switch {
		case t.Name == "pos_embed":
			var note []string
			out[i], note = fitPositions(t, e.Shape, how)
			notes = append(notes, note...)
		case strings.HasSuffix(t.Name, ".relative_position_bias_table") && len(t.Shape) == 2 && t.Shape[1] == e.Shape[1]:
			from, to := squareRoot(t.Shape[0]), squareRoot(e.Shape[0])
			if from%2 == 0 || to%2 == 0 {
				continue
			}
			from, to = (from+1)/2, (to+1)/2
			t.F32, t.Shape = resizeTable(t.F32, t.Shape[1], from, to), slices.Clone([]int(e.Shape))
			out[i] = t
			size := fmt.Sprintf("windows of %d×%[1]d are interpolated for %d×%[2]d", from, to)
			if tables[size]++; tables[size] == 1 {
				sizes = append(sizes, size)
			}
		}
	}
	for _, size := range sizes {
		notes = append(notes, fmt.Sprintf("%d tables of position bias for %s", tables[size], size))
	}
	return out, notes
}

// fitPositions is fitSizes of position embeddings. Where the class token has none it gets
// zeros, which is the same.
func fitPositions(t formats.Tensor, want []int, how ops.Bicubic) (out formats.Tensor, notes []string) {
	if len(t.Shape) != 3 || t.Shape[0] != 1 || t.Shape[2] != want[2] {
		return t, nil
	}
	c := t.Shape[2]
	from, to := squareRoot(t.Shape[1]-1), squareRoot(want[1]-1)
	if side := squareRoot(t.Shape[1]); from == 0 && side > 0 {
		from = side
		t.F32, t.Shape = slices.Concat(make([]float32, c), t.F32), []int{1, 1 + side*side, c}
		notes = append(notes, "the class token has no position embedding: it gets zeros, which is the same")
	}
	if from == 0 || to == 0 || from == to {
		return t, notes
	}
	t.F32 = ops.ResizePositions(t.F32, 1, c, [2]int{from, from}, [2]int{to, to}, how)
	t.Shape = slices.Clone(want)
	return t, append(notes, fmt.Sprintf("position embeddings of a %d×%[1]d grid are interpolated for %d×%[2]d", from, to))
}

// squareRoot is the root of a square number, else 0.
func squareRoot(n int) int {
	for i := 1; i*i <= n; i++ {
		if i*i == n {
			return i
		}
	}
	return 0
}
