package stages

import "slices"

// layout says how the values of another framework become ours: for every one of our values,
// in their order, the place of theirs.
type layout struct {
	name  string
	place func(image, position, channel int) int
}

// layouts are the orders in which the other framework may have values that are [images,
// positions, channels] here. Their shape must allow it.
func layouts(images, positions, channels int, theirs []int) []layout {
	shape := squeeze(theirs)
	total := 1
	for _, d := range shape {
		total *= d
	}
	if images > 1 && (len(shape) == 0 || shape[0] != images) {
		return nil
	}
	if images > 1 {
		shape = shape[1:]
	}
	var all []layout
	lasts := len(shape) == 0 && channels == 1 || len(shape) > 0 && shape[len(shape)-1] == channels
	firsts := len(shape) > 0 && shape[0] == channels
	size := positions * channels
	switch total {
	case images * size:
		if lasts || len(shape) == 1 || positions == 1 || channels == 1 {
			all = append(all, layout{"channels last", func(i, p, c int) int { return i*size + p*channels + c }})
		}
		if firsts && positions > 1 && channels > 1 {
			all = append(all, layout{"channels first", func(i, p, c int) int { return i*size + c*positions + p }})
		}
	case images * (size + channels):
		// A class token in front, which the map here does not have.
		if lasts && len(shape) == 2 {
			all = append(all, layout{"without the first token", func(i, p, c int) int { return i*(size+channels) + (p+1)*channels + c }})
		}
	}
	return all
}

// squeeze leaves out sizes of 1.
func squeeze(shape []int) []int {
	return slices.DeleteFunc(slices.Clone(shape), func(d int) bool { return d == 1 })
}
