package probe

import (
	"cmp"
	"slices"
)

// neighbour is a training image, and how much another is like it.
type neighbour struct {
	similarity float32
	index      int32
}

// compare orders neighbours: the most alike first, of equal ones the first.
func compare(a, b neighbour) int {
	return cmp.Or(cmp.Compare(b.similarity, a.similarity), cmp.Compare(a.index, b.index))
}

// heap is the most alike neighbours up to now, the last of them on top.
type heap []neighbour

// offer takes what belongs to the first k of images from, from+1, …, which come
// after all that were offered before.
func (h *heap) offer(similar []float32, from, k int) {
	for i, s := range similar {
		n := neighbour{s, int32(from + i)}
		if len(*h) < k {
			*h = append(*h, n)
			h.up(len(*h) - 1)
		} else if s > (*h)[0].similarity { // an equal one comes later
			(*h)[0] = n
			h.down()
		}
	}
}

func (h heap) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if compare(h[i], h[parent]) < 0 {
			return
		}
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
}

func (h heap) down() {
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && compare(h[child+1], h[child]) > 0 {
			child++
		}
		if compare(h[child], h[i]) < 0 {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}

// sorted is the neighbours, the most alike first; the heap is none afterwards.
func (h heap) sorted() []neighbour {
	slices.SortFunc(h, compare)
	return h
}
