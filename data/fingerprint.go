package data

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"fasternet/internal/rng"

	"golang.org/x/text/unicode/norm"
)

// Fingerprint says which samples a dataset has, wherever it is stored: two datasets with
// the same fingerprint train the same. It can be written to a file: see [Stamp].
type Fingerprint struct {
	Samples  int    `json:"samples"`
	PerClass []int  `json:"per_class"` // samples by label
	Listing  string `json:"listing"`   // hash of all stamps, in whatever order the samples are
	Order    string `json:"order"`     // hash of names and labels, in the order of the samples

	Stamps []Stamp `json:"-"` // sorted by their names
}

// Stamp is what a fingerprint keeps for each sample.
type Stamp struct {
	Name  uint64 // hash of its [Key], in the Unicode form NFC
	Size  uint64 // of its file in bytes; for pixels in memory a checksum; 0 if it is not known
	Label int    // class index; if samples may have any number of labels, a hash of them
}

// Stamped is a dataset that can tell cheaply whether a sample has changed.
type Stamped interface {
	// StampSize returns the number of bytes of sample i, or a checksum of its pixels.
	StampSize(i int) uint64
}

// fileWorkers is how many files are asked for their size at a time. On a network drive
// most of the time is spent waiting.
const fileWorkers = 32

// TakeFingerprint makes the fingerprint of a dataset. It decodes nothing. Without sizes it
// opens no file, and the stamps have size 0.
func TakeFingerprint(ds Dataset, sizes bool) *Fingerprint {
	n := ds.Len()
	f := &Fingerprint{Samples: n, PerClass: make([]int, len(ds.Classes())), Stamps: make([]Stamp, n)}
	each(n, func(i int) {
		s := Stamp{Name: rng.Hash(norm.NFC.String(Key(ds, i))), Label: stampLabel(ds, i)}
		if sizes {
			s.Size = sizeOf(ds, i)
		}
		f.Stamps[i] = s
	})
	order := sha256.New()
	for i := range n {
		for _, l := range LabelSet(ds, i) {
			if l >= 0 && l < len(f.PerClass) {
				f.PerClass[l]++
			}
		}
	}
	for _, s := range f.Stamps {
		s.Size = 0
		s.addTo(order)
	}
	f.Order = hashText(order)
	slices.SortFunc(f.Stamps, Stamp.compare)
	f.Listing = Listing(f.Stamps)
	return f
}

// stampLabel returns the label of a sample, or a hash of its labels if it may have several.
func stampLabel(ds Dataset, i int) int {
	if !IsMultiLabel(ds) {
		return ds.Label(i)
	}
	if Unlabelled(ds) {
		return 0
	}
	return int(rng.Hash(fmt.Sprint(LabelSet(ds, i))) % (1 << stampLabelBits))
}

// stampLabelBits is the number of bits of this hash. A class index has no more.
const stampLabelBits = 20

// Listing returns the hash of sorted stamps.
func Listing(stamps []Stamp) string {
	h := sha256.New()
	for _, s := range stamps {
		s.addTo(h)
	}
	return hashText(h)
}

// each calls f for the numbers below n, in several goroutines.
func each(n int, f func(i int)) {
	const chunk = 32
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(fileWorkers, (n+chunk-1)/chunk) {
		group.Go(func() {
			for {
				end := int(next.Add(chunk))
				for i := end - chunk; i < min(end, n); i++ {
					f(i)
				}
				if end >= n {
					return
				}
			}
		})
	}
	group.Wait()
}

func (s Stamp) addTo(h hash.Hash) {
	var b [24]byte
	binary.LittleEndian.PutUint64(b[:], s.Name)
	binary.LittleEndian.PutUint64(b[8:], s.Size)
	binary.LittleEndian.PutUint64(b[16:], uint64(s.Label))
	h.Write(b[:])
}

func hashText(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)[:16]) }

// compare orders stamps by name, then by size, then by label.
func (s Stamp) compare(t Stamp) int {
	pairs := [][2]uint64{
		{s.Name, t.Name},
		{s.Size, t.Size},
		{uint64(s.Label), uint64(t.Label)},
	}
	for _, pair := range pairs {
		switch {
		case pair[0] < pair[1]:
			return -1
		case pair[0] > pair[1]:
			return 1
		}
	}
	return 0
}

// Changes says how the samples of a dataset differ from an earlier state of it.
type Changes struct {
	Added, Removed int
	Resized        int // samples of the same name whose file has a different size, or whose pixels differ
	Relabelled     int // samples of the same name with another label
}

// None says whether nothing has changed.
func (c Changes) None() bool { return c == Changes{} }

// Compare counts the differences of sorted stamps.
func Compare(before, after []Stamp) (c Changes) {
	for len(before) > 0 || len(after) > 0 {
		name := uint64(math.MaxUint64)
		for _, side := range [][]Stamp{before, after} {
			if len(side) > 0 {
				name = min(name, side[0].Name)
			}
		}
		a, b := run(before, name), run(after, name)
		before, after = before[len(a):], after[len(b):]
		c.compare(a, b)
	}
	return c
}

// run returns the stamps at the start of a list that have this name.
func run(stamps []Stamp, name uint64) []Stamp {
	n := 0
	for n < len(stamps) && stamps[n].Name == name {
		n++
	}
	return stamps[:n]
}

// compare counts the differences of samples that share a name: mostly one before and one
// after. Samples that are in both lists do not count.
func (c *Changes) compare(before, after []Stamp) {
	if slices.Equal(before, after) {
		return
	}
	without := func(list, others []Stamp) []Stamp {
		others = slices.Clone(others)
		return slices.DeleteFunc(slices.Clone(list), func(s Stamp) bool {
			at := slices.Index(others, s)
			if at >= 0 {
				others = slices.Delete(others, at, at+1)
			}
			return at >= 0
		})
	}
	a, b := without(before, after), without(after, before)
	for i := range min(len(a), len(b)) {
		if a[i].Label != b[i].Label {
			c.Relabelled++
		} else {
			c.Resized++
		}
	}
	c.Removed += max(len(a)-len(b), 0)
	c.Added += max(len(b)-len(a), 0)
}

func sizeOf(ds Dataset, i int) uint64 {
	ds, i = origin(ds, i)
	if s, ok := ds.(Stamped); ok {
		return s.StampSize(i)
	}
	return 0
}
