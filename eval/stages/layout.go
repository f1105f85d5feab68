package stages

import "slices"

// layout maps the values of another framework to ours: place returns the place of the other
// value for each of our values.
type layout struct {
	name  string
	place func(image, position, channel int) int
}

// layouts returns the orders that the other framework's values may have, by their shape.
// Ours are [images, positions, channels].
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
		// A class token comes first, which our map does not have.
		if lasts && len(shape) == 2 {
			all = append(all, layout{"without the first token", func(i, p, c int) int {
				return i*(size+channels) + (p+1)*channels + c
			}})
		}
	}
	return all
}

// squeeze removes sizes of 1.
func squeeze(shape []int) []int {
	return slices.DeleteFunc(slices.Clone(shape), func(d int) bool { return d == 1 })
}
