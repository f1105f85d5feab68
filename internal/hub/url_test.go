package hub

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// files is a server of plain files.
func files(t *testing.T, all map[string]string) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the token of the hub goes to another host")
		}
		text, there := all[r.URL.Path]
		if !there {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(text)))[:12]+`"`)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
	}))
	t.Cleanup(s.Close)
	return s
}

func TestURL(t *testing.T) {
	all := map[string]string{
		"/a/t0.pth":            "weights",
		"/b/model.safetensors": "other",
		"/b/config.json":       `{"architecture": "vit_tiny"}`,
		"/page.pth":            "<html>",
	}
	server := files(t, all)
	s := settingsOf(t, "http://hub.invalid")
	s.Token = "hf_secret"
	c, l := client(t, s)
	got := fetch(t, c, server.URL+"/a/t0.pth?token=x")
	if content(t, got.Weights) != "weights" || filepath.Base(got.Weights) != "t0.pth" || got.Config != "" {
		t.Errorf("%+v", got)
	}
	if len(l.began) != 1 || strings.Contains(l.began[0], "token") {
		t.Errorf("shown: %v", l.began)
	}
	fetch(t, c, server.URL+"/a/t0.pth?token=x")
	if len(l.began) != 1 {
		t.Errorf("what has not changed is fetched again: %v", l.began)
	}
	all["/a/t0.pth"] = "newer"
	if got := fetch(t, c, server.URL+"/a/t0.pth?token=x"); content(t, got.Weights) != "newer" {
		t.Error("the older content is taken")
	}
	described := fetch(t, c, server.URL+"/b/model.safetensors")
	if content(t, described.Config) != all["/b/config.json"] ||
		filepath.Dir(described.Config) != filepath.Dir(described.Weights) {
		t.Errorf("%+v", described)
	}

	sum := fmt.Sprintf("#sha256=%x", sha256.Sum256([]byte("other")))
	fetch(t, c, server.URL+"/b/model.safetensors"+sum)
	if _, err := c.Fetch(context.Background(), server.URL+"/a/t0.pth"+sum); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
	if _, err := c.Fetch(context.Background(), server.URL+"/none.pth"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	list := c.List()
	if len(list.Models) != 2 {
		t.Fatalf("%+v", list)
	}
	first, second := list.Models[0].Reference, list.Models[1].Reference
	if !strings.HasSuffix(first, ".pth") && !strings.HasSuffix(second, ".pth") {
		t.Errorf("%+v", list)
	}

	unreachable(c)
	if got := fetch(t, c, server.URL+"/b/model.safetensors"+sum); content(t, got.Weights) != "other" {
		t.Error("a file whose checksum is known is asked for")
	}
	c, l = client(t, s)
	unreachable(c)
	if got := fetch(t, c, server.URL+"/b/model.safetensors"); got != described ||
		!strings.Contains(l.said(), "using the copy from ") {
		t.Errorf("%+v, notes %s", got, l.said())
	}
	s.Offline = true
	c, l = client(t, s)
	if got := fetch(t, c, server.URL+"/b/model.safetensors"); got != described || l.said() != "" {
		t.Errorf("%+v, notes %s", got, l.said())
	}
}

// A download that was cut is resumed if the file is still the same; else it starts again.
func TestURLResume(t *testing.T) {
	text := strings.Repeat("0123456789", 1000)
	etag, requests := `"one"`, []string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", etag)
		if r.Method == http.MethodGet {
			requests = append(requests, r.Header.Get("Range")+" "+r.Header.Get("If-Range"))
			if len(requests) == 1 {
				w.Header().Set("Content-Length", fmt.Sprint(len(text)))
				_, _ = w.Write([]byte(text[:1000]))
				return
			}
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
	}))
	defer server.Close()
	c, _ := client(t, settingsOf(t, "http://hub.invalid"))
	c.pause = func(context.Context, time.Duration) error { return errors.New("the program is ended") }
	if _, err := c.Fetch(context.Background(), server.URL+"/a.pth"); err == nil {
		t.Fatal("there is no error")
	}
	if list := c.List(); list.Incomplete != 1000 || len(list.Models) != 0 {
		t.Errorf("%+v", list)
	}
	if got := fetch(t, c, server.URL+"/a.pth"); content(t, got.Weights) != text || requests[1] != `bytes=1000- "one"` {
		t.Errorf("requests %q", requests)
	}
	etag, text, requests = `"two"`, strings.ToUpper(strings.Repeat("abcdefghij", 900)), nil
	if _, err := c.Fetch(context.Background(), server.URL+"/a.pth"); err == nil {
		t.Fatal("there is no error")
	}
	etag, text = `"three"`, strings.Repeat("x", 5000)
	if got := fetch(t, c, server.URL+"/a.pth"); content(t, got.Weights) != text || requests[1] != " " {
		t.Errorf("requests %q", requests)
	}
}

func TestURLRefusals(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		says   string
	}{
		{"a page", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write([]byte("<html>sign in"))
		}, "leads to a web page"},
		{"forbidden", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
		}, "no access: the server refuses it (403)"},
		{"gone", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }, "not found (410)"},
		{"huge", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "999999999999999")
		}, "but the limit is 17.2 GB"},
		{"empty", func(http.ResponseWriter, *http.Request) {}, "empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(c.answer)
			defer server.Close()
			cl, _ := client(t, settingsOf(t, "http://hub.invalid"))
			_, err := cl.Fetch(context.Background(), server.URL+"/a.pth")
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Error(err)
			}
		})
	}
}

// A server with encryption must not redirect to one without.
func TestDowngrade(t *testing.T) {
	plain := files(t, map[string]string{"/a.pth": "weights"})
	safe := httptest.NewTLSServer(http.RedirectHandler(plain.URL+"/a.pth", http.StatusFound))
	defer safe.Close()
	c, _ := client(t, settingsOf(t, "http://hub.invalid"))
	through := c.files.Transport.(authorized).next.(*http.Transport)
	through.TLSClientConfig = safe.Client().Transport.(*http.Transport).TLSClientConfig
	_, err := c.Fetch(context.Background(), safe.URL+"/a.pth")
	if err == nil || !strings.Contains(err.Error(), "without encryption") {
		t.Error(err)
	}
}
