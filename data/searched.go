package data

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
	"os"
	"slices"
	"sync"
	"time"
)

// Dated is a dataset of files that knows when they were last changed.
type Dated interface {
	Stamped
	// Stamp returns the size of the file of sample i in bytes and the time of its last change, in
	// nanoseconds since 1970. Both are 0 if the file does not exist.
	Stamp(i int) (size uint64, changed int64)
}

// stampOf returns the size of a sample ([Stamped]) and the time of its last change; the time is 0 if it is not
// known.
func stampOf(ds Dataset, i int) (size uint64, changed int64) {
	holder, at := origin(ds, i)
	if d, ok := holder.(Dated); ok {
		return d.Stamp(at)
	}
	return sizeOf(ds, i), 0
}

// listing identifies a list of files by their names, sizes and times.
type listing [sha256.Size]byte

// fresh is how long after a change another one may leave the time of a file as it is: some file systems
// count in steps of two seconds.
const fresh = 3 * time.Second

// listingOf returns the listing of a dataset. ok is false if the files may change without another listing:
// their times are not known, or one has been changed just now.
func listingOf(ds Dataset, sizes []uint64, changed []int64, now time.Time) (l listing, ok bool) {
	if len(changed) == 0 || slices.Contains(changed, 0) || slices.Max(changed) > now.Add(-fresh).UnixNano() {
		return l, false
	}
	h := sha256.New()
	work, err := os.Getwd() // names may be relative
	if err != nil {
		return l, false
	}
	io.WriteString(h, work)
	var b []byte
	for i := range sizes {
		b = append(b[:0], ds.Name(i)...)
		b = append(b, 0)
		b = binary.LittleEndian.AppendUint64(b, sizes[i])
		b = binary.LittleEndian.AppendUint64(b, uint64(changed[i]))
		h.Write(b)
	}
	return listing(h.Sum(nil)), true
}

// searched remembers the last search for copies of this process: a command opens the same data set several
// times, for its parts, its training and its report.
var searched lastSearch

type lastSearch struct {
	mu    sync.Mutex
	of    listing
	first []int32
}

// result returns the result for a listing, nil if it is not known.
func (s *lastSearch) result(of listing) []int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of != of {
		return nil
	}
	return slices.Clone(s.first)
}

func (s *lastSearch) keep(of listing, first []int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of, s.first = of, slices.Clone(first)
}
