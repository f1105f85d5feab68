package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fasternet/internal/patience"
	"fasternet/internal/ramdisk"
)

const testCommit = "0123456789abcdef0123456789abcdef01234567"

// fakeHub is a hub with one model, org/model, and the host that it redirects large files to.
type fakeHub struct {
	t        *testing.T
	hub, cdn *httptest.Server

	mu       sync.Mutex
	files    map[string]string // by name
	large    map[string]bool   // files that redirect to the other host
	commit   string
	sha      map[string]string                                         // checksums to send instead of the right ones
	before   func(w http.ResponseWriter, r *http.Request) bool         // for the hub; true if it has answered
	content  func(w http.ResponseWriter, r *http.Request, text string) // for the other host; nil sends all of it
	requests []string
}

func newFakeHub(t *testing.T) *fakeHub {
	f := &fakeHub{
		t:      t,
		files:  map[string]string{},
		large:  map[string]bool{},
		sha:    map[string]string{},
		commit: testCommit,
	}
	f.hub = httptest.NewServer(http.HandlerFunc(f.serveHub))
	f.cdn = httptest.NewServer(http.HandlerFunc(f.serveContent))
	t.Cleanup(f.hub.Close)
	t.Cleanup(f.cdn.Close)
	f.files["config.json"] = `{"architecture": "fasternet_t0"}`
	f.files["model.safetensors"] = strings.Repeat("weights ", 1000)
	f.large["model.safetensors"] = true
	return f
}

func (f *fakeHub) note(r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	line := r.Method + " " + r.URL.Path
	if r.Header.Get("Range") != "" {
		line += " " + r.Header.Get("Range")
	}
	f.requests = append(f.requests, line)
}

func (f *fakeHub) serveHub(w http.ResponseWriter, r *http.Request) {
	f.note(r)
	if f.before != nil && f.before(w, r) {
		return
	}
	name, isFile := strings.CutPrefix(r.URL.Path, "/org/model/resolve/main/")
	if !isFile {
		if name, isFile = strings.CutPrefix(r.URL.Path, "/org/model/resolve/"+f.commit+"/"); !isFile {
			if !strings.HasPrefix(r.URL.Path, "/api/") {
				w.Header().Set("X-Error-Code", "RepoNotFound")
			}
			http.Error(w, "", http.StatusNotFound)
			return
		}
	}
	text, there := f.files[name]
	if !there {
		w.Header().Set("X-Error-Code", "EntryNotFound")
		http.Error(w, "", http.StatusNotFound)
		return
	}
	w.Header().Set("X-Repo-Commit", f.commit)
	if f.large[name] {
		sum := fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
		if s := f.sha[name]; s != "" {
			sum = s
		}
		w.Header().Set("X-Linked-Etag", `"`+sum+`"`)
		w.Header().Set("X-Linked-Size", fmt.Sprint(len(text)))
		w.Header().Set("ETag", `"of-the-redirect"`)
		http.Redirect(w, r, f.cdn.URL+"/content/"+name+"?signature=secret", http.StatusFound)
		return
	}
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00%s", len(text), text)
	w.Header().Set("ETag", `"`+hex.EncodeToString(h.Sum(nil))+`"`)
	http.ServeContent(w, r, name, time.Time{}, strings.NewReader(text))
}

func (f *fakeHub) serveContent(w http.ResponseWriter, r *http.Request) {
	f.note(r)
	if r.Header.Get("Authorization") != "" {
		f.t.Errorf("the token goes to %s", r.Host)
	}
	text := f.files[strings.TrimPrefix(r.URL.Path, "/content/")]
	if f.content != nil {
		f.content(w, r, text)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
}

// asked returns the requests so far, and forgets them.
func (f *fakeHub) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() { f.requests = nil }()
	return f.requests
}

// listener keeps what the observer is told.
type listener struct {
	silent
	mu    sync.Mutex
	began []string
	notes []string
	bytes int64
	step  func(done int64) // called after every Step, if it is not nil
}

func (l *listener) Begin(name string, done, total int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.began = append(l.began, fmt.Sprintf("%s %d/%d", name, done, total))
}

func (l *listener) Step(done int64) {
	l.mu.Lock()
	l.bytes = done
	l.mu.Unlock()
	if l.step != nil {
		l.step(done)
	}
}

func (l *listener) Note(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notes = append(l.notes, text)
}

// said returns all notes.
func (l *listener) said() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.notes, "\n")
}

// settingsOf returns the settings of a client of a hub, with its own cache.
func settingsOf(t *testing.T, endpoint string) Settings {
	dir := ramdisk.Dir(t)
	return Settings{Endpoint: endpoint, Timeout: patience.Limit, Cache: dir + "/hub", URLCache: dir + "/urls"}
}

// unreachable makes a client find no server at all. The port of a closed server may be in use again.
func unreachable(c *Client) {
	none := authorized{c, &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}}}
	c.files.Transport, c.heads.Transport = none, none
}

// directly makes a client ask the handlers of a hub without a network, so that time passes only while it waits.
// After the first bytes, the other host sends nothing until the client gives up.
func (f *fakeHub) directly(c *Client, first int) {
	to := authorized{c, stalling{f, first}}
	c.files.Transport, c.heads.Transport = to, to
}

type stalling struct {
	hub   *fakeHub
	first int
}

func (s stalling) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if "http://"+r.URL.Host == s.hub.hub.URL {
		s.hub.serveHub(w, r)
		return w.Result(), nil
	}
	s.hub.serveContent(w, r)
	answer := w.Result()
	answer.Body = io.NopCloser(io.MultiReader(io.LimitReader(answer.Body, int64(s.first)), silence{r.Context()}))
	return answer, nil
}

// silence is the rest of an answer that does not come.
type silence struct{ ctx context.Context }

func (s silence) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

// client returns a client that does not wait between attempts.
func client(t *testing.T, s Settings) (*Client, *listener) {
	t.Helper()
	l := &listener{}
	c, err := NewClient(s, "test", l)
	if err != nil {
		t.Fatal(err)
	}
	c.pause = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	return c, l
}
