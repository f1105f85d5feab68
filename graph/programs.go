package graph

import "slices"

// maxPrograms is the number of programs that a runner keeps. A run needs few: one for training, two
// for full and last batches of an evaluation, one for statistics, and as many again for another
// image size. Inputs of many sizes would need any number.
const maxPrograms = 12

// Programs holds compiled programs by their keys: the ones that were used last.
type Programs[K comparable, P any] struct {
	kept []keyed[K, P] // the last one was used last
}

type keyed[K comparable, P any] struct {
	key     K
	program P
}

// Drop forgets the programs of some keys.
func (c *Programs[K, P]) Drop(of func(key K) bool) {
	c.kept = slices.DeleteFunc(c.kept, func(k keyed[K, P]) bool { return of(k.key) })
}

// Get returns the program of a key. If it is not kept, it is compiled.
func (c *Programs[K, P]) Get(key K, compile func() (P, error)) (P, error) {
	i := slices.IndexFunc(c.kept, func(k keyed[K, P]) bool { return k.key == key })
	if i >= 0 {
		found := c.kept[i]
		if last := len(c.kept) - 1; i != last {
			copy(c.kept[i:], c.kept[i+1:])
			c.kept[last] = found
		}
		return found.program, nil
	}
	p, err := compile()
	if err != nil {
		return p, err
	}
	if len(c.kept) == maxPrograms {
		c.kept = slices.Delete(c.kept, 0, 1)
	}
	c.kept = append(c.kept, keyed[K, P]{key, p})
	return p, nil
}
