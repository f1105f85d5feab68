package flat

import (
	"fmt"
	"os"
	"testing"
)

// record is a test that remembers that it failed.
type record struct {
	testing.TB
	failures []string
}

func (r *record) Helper()             {}
func (r *record) Logf(string, ...any) {}
func (r *record) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func TestWatch(t *testing.T) {
	var kept [][]byte
	var files []*os.File
	stop := make(chan struct{})
	defer close(stop)
	for _, c := range []struct {
		name   string
		rounds int
		round  func(i int)
		fails  bool
	}{
		{"nothing stays", 40, func(int) { kept = [][]byte{make([]byte, 1<<20)} }, false},
		{"memory", 40, func(int) { kept = append(kept, make([]byte, 100<<10)) }, true},
		{"memory at the beginning", 40, func(i int) {
			if i < 4 {
				kept = append(kept, make([]byte, 1<<20))
			}
		}, false},
		{"goroutines", 40, func(int) { go func() { <-stop }() }, true},
		{"files", 40, func(int) {
			if f, err := os.Open(os.DevNull); err == nil {
				files = append(files, f)
			}
		}, true},
		{"a round is missing", 39, func(int) {}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := os.Stat("/proc/self/fd"); c.name == "files" && err != nil {
				t.Skip("the system does not say which files are open")
			}
			r := &record{TB: t}
			w := New(r, 40)
			for i := range c.rounds {
				c.round(i)
				w.Round()
			}
			if w.Check(); (len(r.failures) > 0) != c.fails {
				t.Errorf("failures: %v", r.failures)
			}
		})
	}
	for _, f := range files {
		f.Close()
	}
}
