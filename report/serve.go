package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"fasternet/internal/disk"
	"fasternet/internal/printable"
	"fasternet/train"
)

// Handler serves the page of runs in their current state. It only reads. A browser asks
// for updates every two seconds.
type Handler struct {
	dirs []string
	data string // folder of the data set, if not the run's own
	mux  *http.ServeMux
	now  func() time.Time

	mu     sync.Mutex // held to make a page, not to send it
	albums albums
	state  string        // of the folders when the page was made
	made   time.Time     // when the page was made
	took   time.Duration // how long that took
	asked  time.Time     // when a browser last asked for updates
	seen   time.Time     // when the page that it got was made
	whole  []byte
	part   []byte // the part of it that changes
	tag    string
	title  string
	policy string
}

// NewHandler serves the runs in folders. data is the folder of their data set, or ""
// for the one in their settings.
func NewHandler(data string, dirs ...string) *Handler {
	h := &Handler{dirs: dirs, data: data, mux: http.NewServeMux(), now: time.Now, albums: albums{}}
	h.mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, true) })
	h.mux.HandleFunc("/content", func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, false) })
	return h
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, whole bool) {
	h.mu.Lock()
	err := h.update()
	body, tag, title, rules := h.part, h.tag, h.title, h.policy
	if whole {
		body = h.whole
	} else {
		h.asked, h.seen = h.now(), h.made
	}
	h.mu.Unlock()
	if err != nil && body == nil {
		w.Header().Set("Refresh", "2") // the run is about to begin
		http.Error(w, printable.Error(err), http.StatusServiceUnavailable)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", rules+"; frame-ancestors 'none'")
	if !whole {
		header.Set("ETag", tag)
		header.Set("X-Title", title)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	_, _ = w.Write(body) // the client may be gone
}

// The time between two pages is a multiple of the time to make one, so that they take a
// twentieth of a processor, however often somebody asks.
const (
	share = 20
	least = time.Second
	most  = 15 * time.Second // for a busy machine, where making a page takes long
)

// update makes the page again if the folders have changed. After an error, the old page
// stays.
func (h *Handler) update() error {
	began := h.now()
	if h.whole != nil && began.Sub(h.made) < min(max(least, share*h.took), most) {
		return nil
	}
	state := h.folders(began)
	if h.whole != nil && state == h.state {
		return nil
	}
	var runs []*Run
	for _, dir := range h.dirs {
		r, err := Load(dir)
		if err != nil {
			return err
		}
		if h.data != "" {
			r.Config.Data.Dir = h.data
		}
		runs = append(runs, r)
	}
	p, err := newPage(h.albums, began, true, runs)
	if err != nil {
		return err
	}
	h.albums.forget()
	var whole, part bytes.Buffer
	if err := p.write(&whole); err != nil {
		return err
	}
	if err := p.execute(&part, "content"); err != nil {
		return err
	}
	sum := sha256.Sum256(part.Bytes())
	h.whole, h.part = slices.Clone(whole.Bytes()), slices.Clone(part.Bytes())
	if at := bytes.Index(h.whole, h.part); at >= 0 { // share the memory
		h.part = h.whole[at : at+len(h.part) : at+len(h.part)]
	}
	h.tag, h.title, h.policy = `"`+hex.EncodeToString(sum[:8])+`"`, url.PathEscape(printable.Line(p.Heading)), p.Policy
	h.state, h.made, h.took = state, h.now(), h.now().Sub(began)
	return nil
}

// Finish waits until the browser of a reader has the last state, but not longer than it takes
// to ask twice.
func (h *Handler) Finish() {
	const looking, patience, pause = 5 * time.Second, 5 * time.Second, 50 * time.Millisecond
	for end := h.now().Add(patience); h.now().Before(end); time.Sleep(pause) {
		h.mu.Lock()
		now := h.now()
		done := now.Sub(h.asked) > looking || h.seen.Equal(h.made) && h.folders(now) == h.state
		h.mu.Unlock()
		if done {
			return
		}
	}
}

// folders returns a fingerprint of the files that the pages come from.
func (h *Handler) folders(now time.Time) string {
	sum := sha256.New()
	for _, dir := range h.dirs {
		for _, name := range []string{
			train.ConfigFile, train.LogFile, train.SummaryFile, train.LaunchesFile, train.EvaluationFile,
		} {
			stamp(sum, filepath.Join(dir, name))
		}
		for _, pattern := range []string{filepath.Join("checkpoints", "*"), filepath.Join(train.SamplesFolder, "*")} {
			paths, _ := disk.Glob(dir, pattern) // the pattern is valid
			slices.Sort(paths)
			for _, path := range paths {
				stamp(sum, path)
			}
		}
		// a run that writes nothing for long has died
		if info, err := os.Stat(filepath.Join(dir, train.LogFile)); err == nil {
			_, _ = fmt.Fprint(sum, now.Sub(info.ModTime()) < fresh)
		}
	}
	return string(sum.Sum(nil))
}

func stamp(sum hash.Hash, path string) {
	if info, err := os.Stat(path); err == nil {
		fmt.Fprintln(sum, path, info.Size(), info.ModTime().UnixNano())
	}
}
