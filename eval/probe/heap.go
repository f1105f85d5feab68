package probe

import (
	"cmp"
	"slices"
)

// neighbour is a training image and its similarity to another image.
type neighbour struct {
	similarity float32
	index      int32
}

// before reports whether a is nearer than b; of equally near ones, the first is.
func before(a, b neighbour) bool {
	return a.similarity > b.similarity || a.similarity == b.similarity && a.index < b.index
}

// heap holds the most similar neighbours so far. The least similar is on top.
type heap []neighbour

// offer takes the images from, from+1, … and keeps those that belong to the first k. They
// come after all images offered before.
func (h *heap) offer(similar []float32, from, k int) {
	room := min(k-len(*h), len(similar))
	for i, s := range similar[:room] {
		*h = append(*h, neighbour{s, int32(from + i)})
		h.up(len(*h) - 1)
	}
	least := (*h)[0].similarity
	for i, s := range similar[room:] {
		if s > least { // an equal one does not count: it comes later
			(*h)[0] = neighbour{s, int32(from + room + i)}
			h.down()
			least = (*h)[0].similarity
		}
	}
}

func (h heap) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if before(h[i], h[parent]) {
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
		if child+1 < len(h) && before(h[child], h[child+1]) {
			child++
		}
		if before(h[child], h[i]) {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}

// sorted returns the neighbours, the most similar first. Afterwards, h is no longer a heap.
func (h heap) sorted() []neighbour {
	slices.SortFunc(h, func(a, b neighbour) int {
		return cmp.Or(cmp.Compare(b.similarity, a.similarity), cmp.Compare(a.index, b.index))
	})
	return h
}
