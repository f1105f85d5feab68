package data

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fasternet/internal/patience"
	"fasternet/internal/progress"
)

// sameContent is findCopies without its faults.
func sameContent(ds Dataset) []int32 {
	first, _, err := findCopies(context.Background(), ds)
	if err != nil {
		panic(err)
	}
	return first
}

// fileSet is a dataset of files in memory, which counts the bytes that are read.
type fileSet struct {
	*named
	files  [][]byte
	broken map[int]error
	read   atomic.Int64
	wait   chan bool // a read waits for it; nil for no wait
}

func newFileSet(files ...[]byte) *fileSet {
	f := &fileSet{named: &named{classes: 1}, files: files, broken: map[int]error{}}
	for i := range files {
		f.add(fmt.Sprintf("%04d.png", i), 0)
	}
	return f
}

func (f *fileSet) StampSize(i int) uint64 {
	return uint64(len(f.files[i]))
}

func (f *fileSet) Encoded(i int, _ []byte) ([]byte, bool, error) {
	f.read.Add(int64(len(f.files[i])))
	return f.files[i], true, f.broken[i]
}

func (f *fileSet) EncodedRange(i int, offset, size int64, buf []byte) ([]byte, error) {
	if f.wait != nil {
		<-f.wait
	}
	f.read.Add(size)
	if offset+size > int64(len(f.files[i])) {
		return nil, errors.New("a read past the end")
	}
	return append(buf[:0], f.files[i][offset:offset+size]...), f.broken[i]
}

// Whatever the size, and wherever files differ, exactly the equal ones are copies.
func TestFindCopiesExactly(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var files [][]byte
	for _, size := range []int{
		0, 1, pieceSize - 1, pieceSize, pieceSize + 1, wholeSize, wholeSize + 1, partSize - 1, partSize, partSize + 1,
	} {
		base := make([]byte, size)
		for i := range base {
			base[i] = byte(r.Uint32())
		}
		files = append(files, base)
		for range 6 {
			other := bytes.Clone(base)
			if size > 0 {
				other[r.IntN(size)] ^= 1
			}
			files = append(files, other)
		}
		files = append(files, bytes.Clone(base))
		if size > 0 {
			first, last := bytes.Clone(base), bytes.Clone(base)
			first[0] ^= 1
			last[size-1] ^= 1
			files = append(files, first, last, bytes.Clone(last))
		}
	}
	r.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	var want []int32
	copies := 0
	for i, f := range files {
		first := slices.IndexFunc(files, func(g []byte) bool { return bytes.Equal(f, g) })
		if want = append(want, int32(first)); first < i {
			copies++
		}
	}
	if copies < 20 {
		t.Fatalf("only %d copies", copies)
	}
	if got := sameContent(newFileSet(files...)); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// Of large files of one size, only pieces are read, and copies as a whole.
func TestFindCopiesReadsPieces(t *testing.T) {
	const size, n = 256 << 10, 40
	r := rand.New(rand.NewPCG(3, 4))
	var photos, drawings [][]byte
	for range n {
		f := make([]byte, size)
		for i := range f {
			f[i] = byte(r.Uint32())
		}
		photos = append(photos, f)
		g := make([]byte, size) // equal but for the middle
		copy(g[size/2:], f[:100])
		drawings = append(drawings, g)
	}
	for _, c := range []struct {
		name  string
		files [][]byte
		most  int64
	}{
		{"different everywhere", photos, n * pieceSize},
		{"different in the middle", drawings, n * 5 * pieceSize},
		{"two copies", append(slices.Clone(photos), photos[3], photos[7]), (n+2+4*4)*pieceSize + 4*size},
	} {
		t.Run(c.name, func(t *testing.T) {
			ds := newFileSet(c.files...)
			first := sameContent(ds)
			for i := range n {
				if first[i] != int32(i) {
					t.Errorf("%d is a copy of %d", i, first[i])
				}
			}
			if len(first) > n && (first[n] != 3 || first[n+1] != 7) {
				t.Errorf("copies: %v", first[n:])
			}
			if got := ds.read.Load(); got > c.most {
				t.Errorf("%d bytes were read, want at most %d", got, c.most)
			}
		})
	}
}

// A file that cannot be read, or changes while it is read, is a copy of none. Both parts know it.
func TestFindCopiesUnreadable(t *testing.T) {
	same := bytes.Repeat([]byte("content "), 2000)
	ds := newFileSet(slices.Repeat([][]byte{same}, 8)...)
	ds.broken[2] = errors.New("0002.png: permission denied")
	ds.files[6] = same[:9000] // as file 5 was before it grew
	ds.files[7] = nil
	ds.broken[7] = errors.New("0007.png: no such file") // its opener knows that
	train, val, err := HoldOutGrouped(&growing{fileSet: ds, file: 5, before: 9000}, 0.5, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []Dataset{train, Subset(val, []int{0})} {
		var texts []string
		for _, f := range FaultsOf(part) {
			if !f.Image {
				t.Errorf("%v: not the fault of an image", f.Err)
			}
			texts = append(texts, f.Err.Error())
		}
		got := strings.Join(texts, "; ")
		if len(texts) != 2 || !strings.Contains(got, "0002.png: permission denied") ||
			!strings.Contains(got, "0005.png changed from 9000") {
			t.Errorf("faults: %s", got)
		}
	}
	if got := Together(train); got != 4 {
		t.Errorf("%d copies, want 4", got)
	}
}

// growing is a dataset of which a file grows after its size was read.
type growing struct {
	*fileSet
	file   int
	before uint64
	asked  atomic.Int64
}

func (g *growing) StampSize(i int) uint64 {
	if i == g.file && g.asked.Add(1) == 1 {
		return g.before
	}
	return g.fileSet.StampSize(i)
}

// A search ends when its context ends, even if a file never comes, and says before how far it is.
func TestFindCopiesIsInterrupted(t *testing.T) {
	ds := newFileSet(slices.Repeat([][]byte{make([]byte, 2*pieceSize)}, 100)...)
	ds.wait = make(chan bool)
	defer close(ds.wait)
	why := errors.New("the time is over")
	ctx, cancel := context.WithCancelCause(t.Context())
	var said []string
	ctx = progress.With(ctx, func(task string, done, total int) {
		if said = append(said, fmt.Sprintf("%s %d/%d", task, done, total)); strings.HasPrefix(task, "looking") {
			cancel(why)
		}
	})
	ended := make(chan error, 1)
	go func() {
		_, _, err := HoldOutGroupedContext(ctx, ds, 0.5, 0)
		ended <- err
	}()
	if err := patience.Receive(t, "the search ends", ended); !errors.Is(err, why) {
		t.Error(err)
	}
	if !slices.Contains(said, "looking for copies among files of equal size 0/100") {
		t.Errorf("said %q", said)
	}
}

// dated is a dataset of files with times.
type dated struct {
	*fileSet
	changed []int64
}

func (d dated) Stamp(i int) (uint64, int64) { return d.StampSize(i), d.changed[i] }

// A process does not search the same files twice, unless one of them has changed, or may have changed without
// another time.
func TestFindCopiesRemembers(t *testing.T) {
	old := time.Now().Add(-time.Hour).UnixNano()
	files := slices.Repeat([][]byte{[]byte("content")}, 10)
	ds := dated{newFileSet(files...), slices.Repeat([]int64{old}, 10)}
	search := func(what string, reads bool) {
		t.Helper()
		before := ds.read.Load()
		first := sameContent(ds)
		for i, f := range ds.files {
			want := slices.IndexFunc(ds.files, func(g []byte) bool { return bytes.Equal(f, g) })
			if first[i] != int32(want) {
				t.Errorf("%s: %d is a copy of %d, want %d", what, i, first[i], want)
			}
		}
		if read := ds.read.Load() > before; read != reads {
			t.Errorf("%s: files were read: %v, want %v", what, read, reads)
		}
	}
	search("first", true)
	search("again", false)
	sameContent(newFileSet(files...)) // without times
	search("after another data set", false)
	ds.files[3], ds.changed[3] = []byte("CONTENT"), old+1
	search("changed", true)
	search("changed, again", false)
	ds.names[5] = "other.png"
	search("renamed", true)
	// in an hour, or this test would have to be quick
	ds.files[4], ds.changed[4] = []byte("Content"), time.Now().Add(time.Hour).UnixNano()
	search("changed just now", true)
	ds.files[4] = []byte("content")
	search("changed just now, again", true)
	ds.changed[4] = 0
	search("without a time", true)
	search("without a time, again", true)
	ds.changed[4], ds.changed[1] = old, old+2
	ds.broken[1] = errors.New("0001.png: permission denied")
	for range 2 { // it may be readable later
		before := ds.read.Load()
		_, unread, err := findCopies(t.Context(), ds)
		if err != nil || unread.Count() != 1 || ds.read.Load() == before {
			t.Errorf("unreadable: %d faults, %v", unread.Count(), err)
		}
	}
}
