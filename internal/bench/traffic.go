package bench

import (
	"container/list"

	"fasternet/ops"
)

// pageBytes is the size of a page, which a [cache] keeps or drops as a whole.
const pageBytes = 16 << 10

// cache is the last cache of a processor. It keeps the pages that were used last.
type cache struct {
	pages int
	order *list.List // the page used last comes first
	where map[uintptr]*list.Element
}

func newCache(bytes int) *cache {
	return &cache{pages: bytes / pageBytes, order: list.New(), where: map[uintptr]*list.Element{}}
}

// touch uses a range of memory, and returns how many of its bytes come from memory.
func (c *cache) touch(e ops.Extent) (missed int) {
	for at := e.Address / pageBytes; e.Bytes > 0 && at <= (e.Address+uintptr(e.Bytes)-1)/pageBytes; at++ {
		if p, ok := c.where[at]; ok {
			c.order.MoveToFront(p)
			continue
		}
		missed += int(min(e.Address+uintptr(e.Bytes), (at+1)*pageBytes) - max(e.Address, at*pageBytes))
		c.where[at] = c.order.PushFront(at)
		if c.order.Len() > c.pages {
			last := c.order.Back()
			delete(c.where, last.Value.(uintptr))
			c.order.Remove(last)
		}
	}
	return missed
}

// traffic returns what each operation of a run moves between memory and a cache of this many bytes, if
// it goes once through everything that it reads and writes. The run repeats.
func traffic(run []ops.TracedOp, cacheBytes int) []int {
	c := newCache(cacheBytes)
	out := make([]int, len(run))
	for range 2 { // the second time, the cache holds what the run before has left
		for i, o := range run {
			out[i] = 0
			for _, e := range o.Memory {
				out[i] += c.touch(e)
			}
		}
	}
	return out
}
