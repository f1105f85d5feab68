package sets

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fasternet/internal/datatest"
)

// published is a small published file and its content.
func published(name string, size int) (publishedFile, []byte) {
	content := bytes.Repeat([]byte(name), size)[:size]
	sum := sha256.Sum256(content)
	return publishedFile{name, int64(size), hex.EncodeToString(sum[:])}, content
}

// mirror serves the given content for the path of each file, and 404 for others.
func mirror(t *testing.T, content map[string][]byte) (url string, requests *int) {
	t.Helper()
	requests = new(int)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*requests++
		body, ok := content[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Write(body)
	}))
	t.Cleanup(s.Close)
	return s.URL, requests
}

// wantFiles fails unless dir has exactly the files named.
func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if len(got) != len(want) {
		t.Errorf("files are %q, want %q", got, want)
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("files are %q, want %q", got, want)
		}
	}
}

func TestFetchDownloads(t *testing.T) {
	a, contentA := published("a", 200_000)
	b, contentB := published("b", 10)
	url, requests := mirror(t, map[string][]byte{"/sub/a.gz": gzipped(contentA), "/sub/b.gz": gzipped(contentB)})
	dir := filepath.Join(t.TempDir(), "new", "folder")
	var last int64
	f := fetcher{FetchOptions{
		Mirrors: []string{url + "/sub/"},
		Progress: func(name string, done, total int64) {
			if name == "a" {
				last = done
			}
			if done > total {
				t.Errorf("%s: %d of %d bytes", name, done, total)
			}
		},
	}, time.Minute, http.DefaultClient}
	if err := f.fetch(t.Context(), dir, []publishedFile{a, b}); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, dir, "a.gz", "b.gz")
	got, err := os.ReadFile(filepath.Join(dir, "a.gz"))
	if err != nil || !bytes.Equal(got, gzipped(contentA)) {
		t.Errorf("content is wrong, %v", err)
	}
	if last != int64(len(got)) {
		t.Errorf("progress ends at %d of %d bytes", last, len(got))
	}

	// Right files are not fetched again; wrong ones are replaced.
	before := *requests
	if err := f.fetch(t.Context(), dir, []publishedFile{a, b}); err != nil {
		t.Fatal(err)
	}
	if *requests != before {
		t.Errorf("%d requests for files that are there", *requests-before)
	}
	for _, damaged := range [][]byte{gzipped(contentA)[:50], gzipped([]byte("other")), {}} {
		datatest.WriteFile(t, filepath.Join(dir, "a.gz"), damaged)
		if err := f.fetch(t.Context(), dir, []publishedFile{a, b}); err != nil {
			t.Fatal(err)
		}
		if err := a.verify(filepath.Join(dir, "a.gz")); err != nil {
			t.Error(err)
		}
	}
	wantFiles(t, dir, "a.gz", "b.gz")
}

// A damaged plain file must not hide the fetched one.
func TestFetchBesideDamagedPlainFile(t *testing.T) {
	a, content := published("a", 100)
	url, _ := mirror(t, map[string][]byte{"/a.gz": gzipped(content)})
	dir := t.TempDir()
	datatest.WriteFile(t, filepath.Join(dir, "a"), []byte("damaged"))
	f := fetcher{FetchOptions{Mirrors: []string{url}}, time.Minute, http.DefaultClient}
	if err := f.fetch(t.Context(), dir, []publishedFile{a}); err != nil {
		t.Fatal(err)
	}
	path, err := findIDX(dir, "a")
	if err != nil || a.verify(path) != nil {
		t.Errorf("%s is found, %v", path, err)
	}
}

func TestFetchTriesSourcesInOrder(t *testing.T) {
	a, content := published("a", 1000)
	wrong, _ := mirror(t, map[string][]byte{"/a.gz": gzipped([]byte("other"))})
	cut, _ := mirror(t, map[string][]byte{"/a.gz": gzipped(content)[:20]})
	missing, _ := mirror(t, nil)
	good, requests := mirror(t, map[string][]byte{"/a.gz": content}) // not compressed after all
	damaged, right := t.TempDir(), t.TempDir()
	datatest.WriteFile(t, filepath.Join(damaged, "a.gz"), []byte("x"))
	datatest.WriteFile(t, filepath.Join(right, "a"), content)

	opt := FetchOptions{Folders: []string{damaged}, Mirrors: []string{wrong, cut, missing, good}}
	dir := t.TempDir()
	if err := (fetcher{opt, time.Minute, http.DefaultClient}).fetch(t.Context(), dir, []publishedFile{a}); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, dir, "a.gz")
	if *requests != 1 {
		t.Errorf("%d requests to the good mirror", *requests)
	}

	opt.Folders = append(opt.Folders, right)
	dir = t.TempDir()
	if err := (fetcher{opt, time.Minute, http.DefaultClient}).fetch(t.Context(), dir, []publishedFile{a}); err != nil {
		t.Fatal(err)
	}
	if *requests != 1 {
		t.Error("a mirror is asked although a folder has the file")
	}
}

func TestFetchErrors(t *testing.T) {
	a, _ := published("a", 1000)
	wrong, _ := mirror(t, map[string][]byte{"/a.gz": gzipped([]byte("other"))})
	endless, _ := mirror(t, map[string][]byte{"/a.gz": make([]byte, 1<<20)})
	bomb, _ := mirror(t, map[string][]byte{"/a.gz": gzipped(make([]byte, 1<<18))})
	missing, _ := mirror(t, nil)
	const dead = "http://127.0.0.1:1" // no program listens there; the port of a closed server may be in use again
	for _, test := range []struct{ name, url, want string }{
		{"wrong content", wrong, "the content is not the published one"},
		{"too long", endless, "more than 2034 bytes"},
		{"bomb", bomb, "the content is not the published one"},
		{"missing", missing, "404 Not Found"},
		{"dead", dead, "refused"},
		{"no URL", ":", "missing protocol scheme"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			err := fetcher{FetchOptions{Mirrors: []string{test.url}}, time.Minute, http.DefaultClient}.fetch(
				t.Context(), dir, []publishedFile{a},
			)
			if err == nil {
				t.Errorf("%s: no error", test.name)
				return
			}
			wants := []string{
				test.want, "could not fetch a:", test.url, "apt-get install dataset-fashion-mnist", "into " + dir,
			}
			for _, want := range wants {
				datatest.WantError(t, err, want)
			}
			wantFiles(t, dir)
		})
	}
}

// hanging serves the first bytes of a file, and then nothing until the client gives up.
func hanging(t *testing.T) (url string, started chan struct{}) {
	t.Helper()
	started = make(chan struct{}, 2) // no test makes more requests
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("first bytes"))
		w.(http.Flusher).Flush()
		started <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(s.Close)
	return s.URL, started
}

func TestFetchCancelled(t *testing.T) {
	a, _ := published("a", 1000)
	url, started := hanging(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-started
		cancel()
	}()
	dir := t.TempDir()
	f := fetcher{FetchOptions{Mirrors: []string{url}}, time.Minute, http.DefaultClient}
	err := f.fetch(ctx, dir, []publishedFile{a})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	wantFiles(t, dir)
}

// mirrors answers requests without a network, by the host that they name.
type mirrors map[string]func(r *http.Request) io.Reader

func (m mirrors) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(m[r.URL.Host](r)), Request: r}, nil
}

// stalled is a body that never goes on.
type stalled struct{ r *http.Request }

func (s stalled) Read([]byte) (int, error) {
	<-s.r.Context().Done()
	return 0, s.r.Context().Err()
}

func TestFetchLeavesStalledMirror(t *testing.T) {
	a, content := published("a", 1000)
	dir := t.TempDir()
	client := &http.Client{Transport: mirrors{
		"stalled": func(r *http.Request) io.Reader {
			return io.MultiReader(strings.NewReader("first bytes"), stalled{r})
		},
		"good": func(*http.Request) io.Reader { return bytes.NewReader(gzipped(content)) },
	}}
	synctest.Test(t, func(t *testing.T) { // no time goes by except while a mirror is silent
		f := fetcher{FetchOptions{Mirrors: []string{"http://stalled"}}, time.Minute, client}
		began := time.Now()
		datatest.WantError(t, f.fetch(t.Context(), dir, []publishedFile{a}), "no data for 1m0s")
		if took := time.Since(began); took != time.Minute {
			t.Errorf("it waited %v", took)
		}
		f.Mirrors = append(f.Mirrors, "http://good")
		if err := f.fetch(t.Context(), dir, []publishedFile{a}); err != nil {
			t.Error(err)
		}
	})
	wantFiles(t, dir, "a.gz")
}
