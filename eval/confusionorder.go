package eval

import (
	"cmp"
	"slices"
)

// Order returns the classes in an order that puts confused classes next to each other. It
// joins the pair with the largest shares first, then the next pair, so that groups of classes
// grow (single linkage; each group is turned so that the two classes meet). Classes that are
// never confused keep their order. Equal matrices have equal orders.
func (c *Confusion) Order() []int {
	type edge struct {
		a, b   int
		weight float64
	}
	totals := c.Totals()
	weights := map[[2]int]float64{}
	for k, n := range c.counts {
		if k[1] >= 0 && k[0] != k[1] && n > 0 {
			weights[[2]int{min(k[0], k[1]), max(k[0], k[1])}] += float64(n) / float64(totals[k[0]])
		}
	}
	edges := make([]edge, 0, len(weights))
	for k, w := range weights {
		edges = append(edges, edge{k[0], k[1], w})
	}
	slices.SortFunc(edges, func(x, y edge) int {
		return cmp.Or(cmp.Compare(y.weight, x.weight), x.a-y.a, x.b-y.b)
	})
	groups := make([]*[]int, c.Classes) // the group of each class
	for k := range groups {
		groups[k] = &[]int{k}
	}
	for _, e := range edges {
		left, right := groups[e.a], groups[e.b]
		if left == right {
			continue
		}
		if at := slices.Index(*left, e.a); 2*at < len(*left)-1 { // nearer to the beginning
			slices.Reverse(*left)
		}
		if at := slices.Index(*right, e.b); 2*at > len(*right)-1 {
			slices.Reverse(*right)
		}
		for _, k := range *right {
			groups[k] = left
		}
		*left = append(*left, *right...)
	}
	order := make([]int, 0, c.Classes)
	done := map[*[]int]bool{}
	for k := range c.Classes {
		g := groups[k]
		if done[g] {
			continue
		}
		done[g] = true
		if (*g)[0] > (*g)[len(*g)-1] {
			slices.Reverse(*g)
		}
		order = append(order, *g...)
	}
	return order
}

// Totals returns the number of samples of each class that has any.
func (c *Confusion) Totals() map[int]int {
	totals := map[int]int{}
	for k, n := range c.counts {
		totals[k[0]] += n
	}
	return totals
}

// Cell is one cell of the matrix: a class, the answer (-1 for none), and how often it occurs.
type Cell struct{ Class, Answer, Count int }

// Cells returns the cells that are not zero, by class and answer.
func (c *Confusion) Cells() []Cell {
	all := make([]Cell, 0, len(c.counts))
	for k, n := range c.counts {
		if n > 0 {
			all = append(all, Cell{k[0], k[1], n})
		}
	}
	slices.SortFunc(all, func(a, b Cell) int { return cmp.Or(a.Class-b.Class, a.Answer-b.Answer) })
	return all
}
