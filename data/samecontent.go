package data

import (
	"crypto/sha256"
	"fmt"
)

// sameContent finds samples with the same content, byte by byte: each gets the number of the first
// sample that has it, its own if there is none before. A copy has the same size, so only samples
// that share theirs are read; all are if the dataset does not know sizes ([Stamped]). A sample that
// cannot be read is a copy of none.
func sameContent(ds Dataset) []int {
	n := ds.Len()
	first, sizes := make([]int, n), make([]uint64, n)
	each(n, func(i int) { sizes[i] = sizeOf(ds, i) })
	shared := map[uint64]int{}
	for i, size := range sizes {
		first[i] = i
		shared[size]++
	}
	var rows []int
	for i, size := range sizes {
		if shared[size] > 1 {
			rows = append(rows, i)
		}
	}
	type content struct {
		size uint64
		sum  [sha256.Size]byte
	}
	contents := make([]content, len(rows))
	each(len(rows), func(k int) {
		sum, _, err := contentOf(ds, rows[k], nil)
		if err == nil {
			contents[k] = content{sizes[rows[k]], sum}
		}
	})
	seen := map[content]int{}
	for k, i := range rows {
		if contents[k] == (content{}) {
			continue
		}
		if j, there := seen[contents[k]]; there {
			first[i] = j
		} else {
			seen[contents[k]] = i
		}
	}
	return first
}

// contentOf returns the SHA-256 of the file of a sample, or of its pixels where there is none. It reads
// into the memory of buf, and returns that.
func contentOf(ds Dataset, i int, buf []byte) (sum [sha256.Size]byte, _ []byte, err error) {
	content, ok, err := Encoded(ds, i, buf)
	if err != nil {
		return sum, buf, err
	}
	if ok {
		return sha256.Sum256(content), content, nil
	}
	m, err := ds.Image(i)
	if err != nil {
		return sum, buf, err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%d %d %d ", m.Height, m.Width, m.Channels)
	h.Write(m.Pix)
	return [sha256.Size]byte(h.Sum(nil)), buf, nil
}

// union joins the numbers below n to groups.
type union struct{ parent []int }

func newUnion(n int) union {
	u := union{make([]int, n)}
	for i := range u.parent {
		u.parent[i] = i
	}
	return u
}

func (u union) root(i int) int {
	for u.parent[i] != i {
		u.parent[i] = u.parent[u.parent[i]]
		i = u.parent[i]
	}
	return i
}

func (u union) join(i, j int) { u.parent[u.root(i)] = u.root(j) }
