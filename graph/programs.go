package graph

import "slices"

// maxPrograms is how many programs a runner keeps. A run needs few: one for training,
// two for full and last batches of an evaluation, one for statistics, and as many
// again with another image size. Arrays of many sizes would need any number.
const maxPrograms = 12

// programs are those that were used last.
type programs[K comparable, P any] struct {
	kept []keyed[K, P] // the one that was used last comes last
}

type keyed[K comparable, P any] struct {
	key     K
	program P
}

// drop forgets the programs of some keys.
func (c *programs[K, P]) drop(of func(key K) bool) {
	c.kept = slices.DeleteFunc(c.kept, func(k keyed[K, P]) bool { return of(k.key) })
}

// get returns the program of a key. If it is not kept, it is compiled.
func (c *programs[K, P]) get(key K, compile func() (P, error)) (P, error) {
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
