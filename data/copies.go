package data

import (
	"cmp"
	"hash/maphash"
	"slices"

	"fasternet/data/picture"
)

// digest tells contents apart: 128 bits of two independent hashes.
type digest [2]uint64

// The seeds are drawn for each process: digests are only compared within one.
var digestSeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

// digestOf is the digest of the pixels of an image. So copies are found in every format,
// also if one was saved again without loss, or has other metadata.
func digestOf(m *picture.Image) (d digest) {
	type shaped struct {
		pixels                  uint64
		height, width, channels int
	}
	for i, seed := range digestSeeds {
		d[i] = maphash.Comparable(seed, shaped{maphash.Bytes(seed, m.Pix), m.Height, m.Width, m.Channels})
	}
	return d
}

// Place is where a sample is: in which of several parts, and its index there.
type Place struct{ Part, Index int }

// FindCopies finds samples with the same pixels, in one part or in several, which
// [Verify] has looked at with VerifyOptions.Copies. Each group has two or more, in the
// order of the parts; the groups are in the order of their first samples. Broken
// samples are copies of nothing. It takes 4 bytes a sample, and the digests take 16.
func FindCopies(parts ...*Verified) [][]Place {
	ends := make([]int, len(parts)) // of the numbers that the samples of each part get here
	n := 0
	for k, p := range parts {
		n += len(p.digests)
		ends[k] = n
	}
	at := func(number uint32) Place {
		part, start := 0, 0
		for int(number) >= ends[part] {
			start = ends[part]
			part++
		}
		return Place{part, int(number) - start}
	}
	content := func(number uint32) digest {
		p := at(number)
		return parts[p.Part].digests[p.Index]
	}
	order := make([]uint32, 0, n)
	for number := range uint32(n) {
		if content(number) != (digest{}) {
			order = append(order, number)
		}
	}
	slices.SortFunc(order, func(a, b uint32) int {
		x, y := content(a), content(b)
		return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1]), cmp.Compare(a, b))
	})
	var groups [][]Place
	for len(order) > 0 {
		end := 1
		for end < len(order) && content(order[end]) == content(order[0]) {
			end++
		}
		if end > 1 {
			var group []Place
			for _, number := range order[:end] {
				group = append(group, at(number))
			}
			groups = append(groups, group)
		}
		order = order[end:]
	}
	slices.SortFunc(groups, func(a, b []Place) int {
		return cmp.Or(cmp.Compare(a[0].Part, b[0].Part), cmp.Compare(a[0].Index, b[0].Index))
	})
	return groups
}
