package data

import (
	"cmp"
	"hash/maphash"
	"slices"

	"fasternet/data/picture"
)

// digest identifies content: 128 bits from two independent hashes.
type digest [2]uint64

// digestSeeds are drawn once for each process: digests are only compared within one.
var digestSeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

// digestOf returns the digest of an image's pixels. So copies are found in every format,
// even if one was saved again without loss, or has other metadata.
func digestOf(m *picture.Image) (d digest) {
	type shaped struct {
		pixels                  uint64
		height, width, channels int
	}
	for i, seed := range digestSeeds {
		content := shaped{maphash.Bytes(seed, m.Pix), m.Height, m.Width, m.Channels}
		d[i] = maphash.Comparable(seed, content)
	}
	return d
}

// Place says where a sample is: the part that has it, and its index there.
type Place struct{ Part, Index int }

// FindCopies finds samples with the same pixels, in one part or in several. [Verify] must
// have read the parts with VerifyOptions.Copies. Each group has two or more samples, in the
// order of the parts; the groups are in the order of their first samples. Broken samples
// are in no group. It takes 4 bytes per sample, besides the 16 bytes of each digest.
func FindCopies(parts ...*Verified) [][]Place {
	ends := make([]int, len(parts)) // samples are numbered across the parts: where each part ends
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
