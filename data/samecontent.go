package data

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"fasternet/data/picture"
)

// RangedSet is an [EncodedSet] that can read a part of a file without the rest.
type RangedSet interface {
	EncodedSet
	// EncodedRange returns size bytes of the file of sample i from offset on, in the memory of buf if it
	// is large enough. An error names the file. It is only called if the samples are files, and the
	// range lies within StampSize.
	EncodedRange(i int, offset, size int64, buf []byte) ([]byte, error)
}

const (
	// pieceSize is the length in bytes of the pieces of a file that are compared before the whole file:
	// one block of most disks.
	pieceSize = 4096
	// wholeSize is the size of a file up to which reading all of it is about as fast as a few pieces.
	wholeSize = 16 * pieceSize
	// partSize is how many bytes of a large file are in memory at a time.
	partSize = 1 << 20
)

// copySearch finds samples with the same content, byte by byte. A copy has the same size; most other
// files of this size differ in a piece at their end, and nearly all of the rest in a few other pieces.
// Only files that agree so far are read as a whole.
type copySearch struct {
	ds     Dataset
	sizes  []uint64
	keys   []uint64 // what is known of the content of each sample: copies have the same key
	seed   maphash.Seed
	unread FaultList // files with a size that cannot be read
}

// findCopies numbers the samples by their content: each gets the number of the first sample that has
// the same, its own if there is none before. A sample that cannot be read is not a copy; if it has
// a size, it is one of the faults. All samples are read if the dataset does not know sizes ([Stamped]).
// The error is the cause of ctx's end.
func findCopies(ctx context.Context, ds Dataset) (first []int32, unread FaultList, err error) {
	n := ds.Len()
	s := &copySearch{ds: ds, sizes: make([]uint64, n), keys: make([]uint64, n), seed: maphash.MakeSeed()}
	s.unread.Images = true
	first = make([]int32, n)
	for i := range first {
		first[i] = int32(i)
	}
	began := time.Now()
	changed := make([]int64, n)
	err = eachFile(ctx, "reading the sizes of files", n, func(i int, buf []byte) []byte {
		s.sizes[i], changed[i] = stampOf(ds, i)
		return buf
	})
	if err != nil {
		return nil, FaultList{}, err
	}
	listing, known := listingOf(ds, s.sizes, changed, began)
	if known {
		if first := searched.result(listing); first != nil {
			return first, FaultList{}, nil
		}
	}
	copy(s.keys, s.sizes)
	rows := s.alike(first)
	for _, round := range []func(size int64) []int64{lastPiece, otherPieces} {
		if rows, err = s.compare(ctx, rows, round); err != nil {
			return nil, FaultList{}, err
		}
	}
	if err = s.settle(ctx, rows, first); err != nil {
		return nil, FaultList{}, err
	}
	if known && s.unread.Count() == 0 {
		searched.keep(listing, first)
	}
	return first, s.unread, nil
}

// lastPiece is where the last piece of a file begins. The first bytes of pictures from one camera are
// often the same.
func lastPiece(size int64) []int64 {
	if size <= pieceSize {
		return nil
	}
	return []int64{size - pieceSize}
}

// otherPieces are four places in a large file: the ends of images on a plain background are the same.
func otherPieces(size int64) []int64 {
	if size <= wholeSize {
		return nil
	}
	return []int64{0, size / 4, size / 2, size / 4 * 3}
}

// alike returns the samples that share their keys with another one, in ascending order.
func (s *copySearch) alike(rows []int32) (shared []int32) {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b int32) int { return cmp.Compare(s.keys[a], s.keys[b]) })
	for len(rows) > 0 {
		end := 1
		for end < len(rows) && s.keys[rows[end]] == s.keys[rows[0]] {
			end++
		}
		if end > 1 {
			shared = append(shared, rows[:end]...)
		}
		rows = rows[end:]
	}
	slices.Sort(shared)
	return shared
}

// compare reads pieces of the rows' files, and returns the rows that still agree with another one.
func (s *copySearch) compare(ctx context.Context, rows []int32, pieces func(size int64) []int64) ([]int32, error) {
	keys, errs := make([]uint64, len(rows)), make([]error, len(rows))
	err := eachFile(ctx, "looking for copies among files of equal size", len(rows), func(k int, buf []byte) []byte {
		i := int(rows[k])
		keys[k] = s.keys[i]
		ds, at := origin(s.ds, i)
		r, ok := ranged(ds)
		if !ok {
			return buf
		}
		for _, offset := range pieces(int64(s.sizes[i])) {
			piece, err := r.EncodedRange(at, offset, pieceSize, buf)
			if err != nil {
				errs[k] = err
				return buf
			}
			keys[k] = maphash.Comparable(s.seed, [2]uint64{keys[k], maphash.Bytes(s.seed, piece)})
			buf = piece
		}
		return buf
	})
	if err != nil {
		return nil, err
	}
	var read []int32
	for k, i := range rows {
		if s.keys[i] = keys[k]; s.isRead(i, errs[k]) {
			read = append(read, i)
		}
	}
	return s.alike(read), nil
}

// ranged returns a dataset that can read parts of its files.
func ranged(ds Dataset) (RangedSet, bool) {
	if p, ok := ds.(PixelSet); ok && p.Decoded() {
		return nil, false
	}
	_, sized := ds.(Stamped)
	r, ok := ds.(RangedSet)
	return r, ok && sized
}

// isRead records the error if a file that exists cannot be read.
func (s *copySearch) isRead(i int32, err error) bool {
	switch {
	case err == nil || s.sizes[i] == 0: // its opener knows, or reading it will report it
	case errors.Is(err, picture.ErrShorter):
		s.unread.AddError(fmt.Errorf("%w; %s", err, whenWritten))
	default:
		s.unread.AddError(err)
	}
	return err == nil
}

// settle compares the whole content of the rows.
func (s *copySearch) settle(ctx context.Context, rows, first []int32) error {
	sums, errs := make([][sha256.Size]byte, len(rows)), make([]error, len(rows))
	err := eachFile(ctx, "comparing files that may be copies", len(rows), func(k int, buf []byte) []byte {
		sums[k], buf, errs[k] = s.contentOf(int(rows[k]), buf)
		return buf
	})
	if err != nil {
		return err
	}
	var read []int32 // positions in rows
	for k, i := range rows {
		if s.isRead(i, errs[k]) {
			read = append(read, int32(k))
		}
	}
	slices.SortFunc(read, func(a, b int32) int {
		return cmp.Or(bytes.Compare(sums[a][:], sums[b][:]), cmp.Compare(a, b))
	})
	for k := 1; k < len(read); k++ {
		if sums[read[k]] == sums[read[k-1]] {
			first[rows[read[k]]] = first[rows[read[k-1]]]
		}
	}
	return nil
}

// contentOf returns the SHA-256 of the file of a sample, or of its pixels if there is none. It reads into
// the memory of buf, and returns that.
func (s *copySearch) contentOf(i int, buf []byte) (sum [sha256.Size]byte, _ []byte, err error) {
	ds, at := origin(s.ds, i)
	if r, ok := ranged(ds); ok && s.sizes[i] > 0 {
		return s.fileContent(r, at, int64(s.sizes[i]), buf)
	}
	content, ok, err := Encoded(ds, at, buf)
	if err != nil {
		return sum, buf, err
	}
	if ok {
		return sha256.Sum256(content), content, nil
	}
	m, err := ds.Image(at)
	if err != nil {
		return sum, buf, err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%d %d %d ", m.Height, m.Width, m.Channels)
	h.Write(m.Pix)
	return [sha256.Size]byte(h.Sum(nil)), buf, nil
}

// fileContent returns the SHA-256 of a file, which it reads part by part.
func (s *copySearch) fileContent(
	r RangedSet, at int, size int64, buf []byte,
) (sum [sha256.Size]byte, _ []byte, err error) {
	h := sha256.New()
	for offset := int64(0); offset < size; offset += partSize {
		part, err := r.EncodedRange(at, offset, min(size-offset, partSize), buf)
		if err != nil {
			return sum, buf, err
		}
		h.Write(part)
		buf = part
	}
	if now := r.(Stamped).StampSize(at); now != uint64(size) {
		return sum, buf, fmt.Errorf("data: %s changed from %d to %d bytes while it was read; %s",
			r.Name(at), size, now, whenWritten)
	}
	return [sha256.Size]byte(h.Sum(nil)), buf, nil
}

// whenWritten says what to do if a file changes while it is read.
const whenWritten = "start again when no other program writes it"

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
