// Package flat tests that a process that repeats its work does not grow: in memory, in goroutines
// or in open files.
package flat

import (
	"os"
	"runtime"
	"testing"
)

// The growth that is allowed between the beginning and the end: 2 %, and the steps in which tables
// of the runtime grow.
const (
	share = 0.02
	step  = 32 << 10 // bytes
)

// holding is what a process holds in memory.
type holding struct {
	heap              uint64 // bytes alive after a collection
	goroutines, files int    // files is 0 if the system does not say
}

func now() holding {
	// The first collection empties the pools, and the second frees their content.
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, _ := os.ReadDir("/proc/self/fd") // unknown on other systems
	return holding{m.HeapAlloc, runtime.NumGoroutine(), len(files)}
}

func (h holding) least(other holding) holding {
	return holding{min(h.heap, other.heap), min(h.goroutines, other.goroutines), min(h.files, other.files)}
}

// Watch compares the process in the second tenth of many rounds, when everything has run at least
// once, with the last tenth.
type Watch struct {
	t           testing.TB
	rounds      int
	done        int
	first, last holding
	marks       [2]int
}

// New expects this many rounds, 20 or more.
func New(t testing.TB, rounds int) *Watch {
	t.Helper()
	if rounds < 20 {
		t.Fatalf("flat: %d rounds are too few: want 20 or more", rounds)
	}
	return &Watch{t: t, rounds: rounds}
}

// Round must be called after every round, always at the same point.
func (w *Watch) Round() {
	i, tenth := w.done, w.rounds/10
	w.done++
	switch {
	case i >= tenth && i < 2*tenth:
		w.mark(0, &w.first)
	case i >= w.rounds-tenth && i < w.rounds:
		w.mark(1, &w.last)
	}
}

func (w *Watch) mark(part int, to *holding) {
	if h := now(); w.marks[part] == 0 {
		*to = h
	} else {
		*to = to.least(h)
	}
	w.marks[part]++
}

// Check fails the test if something has grown, or if the number of rounds differs from New.
func (w *Watch) Check() {
	w.t.Helper()
	a, b := w.first, w.last
	part := w.rounds / 10
	w.t.Logf("live heap %.2f and %.2f MB, goroutines %d and %d, open files %d and %d "+
		"in rounds %d to %d and the last %d of %d",
		megabytes(a.heap), megabytes(b.heap), a.goroutines, b.goroutines, a.files, b.files,
		part+1, 2*part, part, w.rounds)
	switch {
	case w.done != w.rounds:
		w.t.Errorf("%d rounds, want %d", w.done, w.rounds)
	case float64(b.heap) > (1+share)*float64(a.heap)+step:
		w.t.Errorf("the live heap grows from %.2f to %.2f MB", megabytes(a.heap), megabytes(b.heap))
	case b.goroutines > a.goroutines:
		w.t.Errorf("%d goroutines become %d", a.goroutines, b.goroutines)
	case b.files > a.files:
		w.t.Errorf("%d open files become %d", a.files, b.files)
	}
}

func megabytes(n uint64) float64 { return float64(n) / 1e6 }
