//go:build linux

package soak

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"
)

// tolerance is how much a quantity may grow, as a part of its size.
const tolerance = 0.02

// quantities lists what is measured.
var quantities = []struct {
	title         string
	unit          float64
	width, digits int
}{
	{"RSS, MB", 1e6, 6, 1},
	{"live heap, MB", 1e6, 6, 2},
	{"goroutines", 1, 3, 0},
	{"open files", 1, 3, 0},
}

// hold measures how much of each quantity the process holds. Garbage depends on the time of the last
// collection, so hold collects it first, and gives the memory back to the system.
func hold() ([]float64, error) {
	runtime.GC() // pools give up their memory only in the next collection
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return nil, err
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return nil, fmt.Errorf("/proc/self/statm is %q", text)
	}
	pages, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return nil, err
	}
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return []float64{
		float64(pages * os.Getpagesize()),
		float64(m.HeapAlloc),
		float64(runtime.NumGoroutine()),
		float64(len(files)),
	}, nil
}

// findings holds the least values of a run in the first and the last tenth of the time after the
// warm-up.
type findings struct {
	Epochs      int
	First, Last []float64
}

// watch measures the process at the end of epochs.
type watch struct {
	total time.Duration
	began time.Time
	findings
	samples [2]int
	err     error
}

// warmUp is the part of the time in which things happen for the first time. A tenth of the rest has some
// epochs, or it lasts longer.
const (
	warmUp = 0.2
	tenth  = (1 - warmUp) / 10
	few    = 6
)

func (w *watch) epoch() {
	if w.began.IsZero() {
		w.began = time.Now()
	}
	w.Epochs++
	switch at := float64(time.Since(w.began)) / float64(w.total); {
	case at < warmUp:
	case at < warmUp+tenth || w.samples[0] < few:
		w.take(0, &w.First)
	case at >= 1-tenth:
		w.take(1, &w.Last)
	}
}

// take measures a few times while the training waits, because a page may be in progress.
func (w *watch) take(part int, to *[]float64) {
	const looks, pause = 3, 100 * time.Millisecond
	for range looks {
		held, err := hold()
		if err != nil {
			w.err = err
			return
		}
		if *to == nil {
			*to = held
		}
		for k, v := range held {
			(*to)[k] = min((*to)[k], v)
		}
		time.Sleep(pause)
	}
	w.samples[part]++
}

// over reports whether the time is over.
func (w *watch) over() bool {
	return w.err != nil || time.Since(w.began) >= w.total && w.samples[1] >= few
}
