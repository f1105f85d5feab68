package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"fasternet/internal/disk"
	"fasternet/internal/patience"
	"fasternet/internal/reference"
)

const ref = "hf://org/model"

func fetch(t *testing.T, c *Client, text string) Fetched {
	t.Helper()
	f, err := c.Fetch(context.Background(), text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// leftovers returns the files of a cache that are not links, locks, references or complete blobs.
func leftovers(t *testing.T, dir string) (names []string) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() && (strings.HasSuffix(path, ".tmp") || strings.HasSuffix(path, ".incomplete")) {
			names = append(names, filepath.Base(path))
		}
		return nil
	})
	return names
}

// A model is fetched once, into the layout of Python's huggingface_hub. The token goes to the hub
// and not to the host of the files.
func TestFetch(t *testing.T) {
	f := newFakeHub(t)
	s := settingsOf(t, f.hub.URL)
	s.Token = "hf_secret"
	authorized := false
	f.before = func(_ http.ResponseWriter, r *http.Request) bool {
		authorized = r.Header.Get("Authorization") == "Bearer hf_secret"
		return false
	}
	c, l := client(t, s)
	got := fetch(t, c, ref)
	dir := filepath.Join(s.Cache, "models--org--model")
	snapshot := filepath.Join(dir, "snapshots", testCommit)
	want := filepath.Join(snapshot, "model.safetensors")
	if got.Weights != want || content(t, want) != f.files["model.safetensors"] {
		t.Errorf("weights %s, want %s", got.Weights, want)
	}
	config := filepath.Join(snapshot, "config.json")
	if got.Config != config || content(t, config) != f.files["config.json"] || got.Commit != testCommit {
		t.Errorf("%+v", got)
	}
	if text := content(t, filepath.Join(dir, "refs", "main")); text != testCommit {
		t.Errorf("refs/main has %q", text)
	}
	target, err := os.Readlink(got.Weights)
	if err != nil ||
		!strings.HasPrefix(target, filepath.FromSlash("../../blobs/")) ||
		len(filepath.Base(target)) != 64 {
		t.Errorf("the snapshot leads to %q, %v", target, err)
	}
	if !authorized {
		t.Error("the hub got no token")
	}
	if left := leftovers(t, s.Cache); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if len(l.began) != 2 || l.began[1] != "model.safetensors of hf://org/model 0/8000" || l.bytes != 8000 {
		t.Errorf("shown: %v, %d bytes", l.began, l.bytes)
	}
	f.asked()

	fetch(t, c, ref)
	if asked := f.asked(); !slices.Equal(asked,
		[]string{"HEAD /org/model/resolve/main/config.json", "HEAD /org/model/resolve/main/model.safetensors"}) {
		t.Errorf("a second time: %v", asked)
	}
	fetch(t, c, ref+"@"+testCommit)
	if asked := f.asked(); len(asked) > 0 {
		t.Errorf("a commit that is in the cache: %v", asked)
	}

	// A newer version has the same description.
	f.commit, f.files["model.safetensors"] = strings.Repeat("b", 40), "new weights"
	again := fetch(t, c, ref)
	if content(t, again.Weights) != "new weights" || content(t, got.Weights) == "new weights" {
		t.Error("the newer version is not taken, or has changed the older one")
	}
	if asked := f.asked(); slices.Contains(asked, "GET /org/model/resolve/main/config.json") {
		t.Errorf("what has not changed is fetched again: %v", asked)
	}

	list := c.List()
	size := int64(len("new weights") + len(f.files["config.json"]))
	if len(list.Models) != 2 ||
		list.Models[0].Reference != ref+"@"+testCommit ||
		list.Models[1].Reference != ref ||
		list.Models[1].Architecture != "fasternet_t0" ||
		list.Models[1].Bytes != size ||
		!slices.Equal(list.Models[1].Revisions, []string{"main"}) {
		t.Errorf("%+v", list)
	}
}

func TestOtherFiles(t *testing.T) {
	for _, c := range []struct {
		name, ref string
		files     map[string]string
		want      string // the file, or the error
	}{
		{"a pickle only", ref, map[string]string{"config.json": "{}", "pytorch_model.bin": "x"}, "pytorch_model.bin"},
		{"both", ref, map[string]string{"pytorch_model.bin": "x", "model.safetensors": "y"}, "model.safetensors"},
		{"no description", ref, map[string]string{"model.safetensors": "y"}, "model.safetensors"},
		{"named", ref + "/pytorch_model.bin",
			map[string]string{"pytorch_model.bin": "x", "model.safetensors": "y"}, "pytorch_model.bin"},
		{"in a folder", ref + "/a/b.safetensors",
			map[string]string{"a/b.safetensors": "x", "a/config.json": "{}"}, filepath.FromSlash("a/b.safetensors")},
		{"named, not there", ref + "/x.pth", map[string]string{"model.safetensors": "y"},
			"hf://org/model/x.pth: not found: the hub has no such file"},
		{"none", ref, map[string]string{"config.json": "{}"}, "the model has no file of weights"},
		{"empty", ref, map[string]string{"model.safetensors": ""}, "the file is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFakeHub(t)
			f.files = c.files
			cl, _ := client(t, settingsOf(t, f.hub.URL))
			got, err := cl.Fetch(context.Background(), c.ref)
			if err != nil {
				if !strings.Contains(err.Error(), c.want) {
					t.Fatal(err)
				}
				return
			}
			if !strings.HasSuffix(got.Weights, testCommit+string(filepath.Separator)+c.want) {
				t.Error(got.Weights)
			}
			if _, there := c.files["config.json"]; there != (got.Config != "") && c.name != "in a folder" {
				t.Errorf("config %q", got.Config)
			}
		})
	}
}

// The hub's list finds weights with another name.
func TestOnlyWeights(t *testing.T) {
	for _, c := range []struct{ list, want string }{
		{`[{"rfilename": "README.md"}, {"rfilename": "t0.safetensors"}]`, "t0.safetensors"},
		{`[{"rfilename": "t0.pth"}, {"rfilename": "t0.safetensors"}]`, "t0.safetensors"},
		{`[{"rfilename": "a.pth"}, {"rfilename": "b.pth"}]`,
			"2 files of weights (a.pth, b.pth…): name one, e.g. hf://ORG/NAME/a.pth"},
		{`[{"rfilename": "model-00001-of-00002.safetensors"}, {"rfilename": "model-00002-of-00002.safetensors"}]`,
			"model-00001-of-00002.safetensors has only a part of the weights"},
		{`[{"rfilename": "../../x.pth"}, {"rfilename": "/etc/x.pth"}]`, "no file of weights"},
		{`[`, "cannot be read"},
	} {
		f := newFakeHub(t)
		f.files = map[string]string{"t0.safetensors": "x"}
		f.before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/api/models/org/model/revision/main" {
				return false
			}
			fmt.Fprintf(w, `{"siblings": %s}`, c.list)
			return true
		}
		cl, _ := client(t, settingsOf(t, f.hub.URL))
		got, err := cl.Fetch(context.Background(), ref)
		if err == nil {
			offline := cl.settings
			offline.Offline = true
			again, _ := client(t, offline)
			if there, err := again.Fetch(context.Background(), ref); err != nil || there != got {
				t.Errorf("offline: %+v, %v: want %+v", there, err, got)
			}
		}
		if err == nil && filepath.Base(got.Weights) == c.want || err != nil && strings.Contains(err.Error(), c.want) {
			continue
		}
		t.Errorf("%s: %s, %v", c.list, got.Weights, err)
	}
}

// A download survives a connection that is cut, busy servers, and answers that do not continue
// where the file ends.
func TestResume(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 4<<10) // 64 KiB
	cut := func(w http.ResponseWriter, r *http.Request, text string) {
		from := 0
		if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); n == 1 {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(text)-1, len(text)))
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(text)-from))
		if from > 0 {
			w.WriteHeader(http.StatusPartialContent)
		}
		_, _ = w.Write([]byte(text[from:min(len(text), from+20<<10)])) // the connection ends early
	}
	failures := 0
	for _, c := range []struct {
		name    string
		content func(w http.ResponseWriter, r *http.Request, text string)
		ranges  []string // wanted ranges of the requests for the content
		says    string   // wanted text of the notes
		fails   error
	}{
		{"cut", cut, []string{"", "bytes=20480-", "bytes=40960-", "bytes=61440-"},
			"the connection ended after 20.5 kB of 65.5 kB", nil},
		{"busy", func(w http.ResponseWriter, r *http.Request, text string) {
			if failures++; failures < 4 {
				w.Header().Set("Retry-After", "1")
				http.Error(w, "",
					[]int{http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusBadGateway}[failures-1])
				return
			}
			_, _ = w.Write([]byte(text))
		}, []string{"", "", "", ""}, "answers 429 Too Many Requests; trying again in", nil},
		{"always busy", func(w http.ResponseWriter, _ *http.Request, _ string) {
			http.Error(w, "", http.StatusServiceUnavailable)
		},
			[]string{"", "", "", "", ""}, "503", errors.New("503 Service Unavailable (after 5 attempts)")},
		{"no ranges", func(w http.ResponseWriter, _ *http.Request, text string) {
			if failures++; failures == 1 {
				w.Header().Set("Content-Length", fmt.Sprint(len(text)))
				_, _ = w.Write([]byte(text[:10<<10]))
				return
			}
			_, _ = w.Write([]byte(text))
		}, []string{"", "bytes=10240-"}, "ended after", nil},
		{"another range", func(w http.ResponseWriter, r *http.Request, text string) {
			switch failures++; failures {
			case 1:
				w.Header().Set("Content-Length", fmt.Sprint(len(text)))
				_, _ = w.Write([]byte(text[:10<<10]))
			case 2:
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(text)-1, len(text)))
				w.WriteHeader(http.StatusPartialContent)
			default:
				_, _ = w.Write([]byte(text))
			}
		}, []string{"", "bytes=10240-", ""}, "asked for the bytes from 10240 on", nil},
		{"not satisfiable", func(w http.ResponseWriter, r *http.Request, text string) {
			switch failures++; failures {
			case 1:
				w.Header().Set("Content-Length", fmt.Sprint(len(text)))
				_, _ = w.Write([]byte(text[:10<<10]))
			case 2:
				http.Error(w, "", http.StatusRequestedRangeNotSatisfiable)
			default:
				_, _ = w.Write([]byte(text))
			}
		}, []string{"", "bytes=10240-", ""}, "has no bytes from 10240 on", nil},
		{"too much", func(w http.ResponseWriter, _ *http.Request, text string) {
			w.Header().Set("Transfer-Encoding", "chunked")
			_, _ = w.Write([]byte(text + "more"))
		}, []string{""}, "", ErrDamaged},
		{"another length", func(w http.ResponseWriter, _ *http.Request, text string) {
			_, _ = w.Write([]byte(text[:100]))
		}, []string{""}, "", ErrDamaged},
		{"compressed", func(w http.ResponseWriter, _ *http.Request, text string) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte(text))
		}, []string{""}, "", errors.New("the server compresses the file")},
		{"refused by the other host", func(w http.ResponseWriter, _ *http.Request, text string) {
			if failures++; failures == 1 {
				http.Error(w, "", http.StatusForbidden)
				return
			}
			_, _ = w.Write([]byte(text))
		}, []string{"", ""}, "no access", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			failures = 0
			f := newFakeHub(t)
			f.files["model.safetensors"] = long
			f.content = c.content
			s := settingsOf(t, f.hub.URL)
			cl, l := client(t, s)
			got, err := cl.Fetch(context.Background(), ref)
			var ranges []string
			for _, line := range f.asked() {
				if rest, ok := strings.CutPrefix(line, "GET /content/model.safetensors"); ok {
					ranges = append(ranges, strings.TrimSpace(rest))
				}
			}
			if !slices.Equal(ranges, c.ranges) {
				t.Errorf("ranges %q, want %q", ranges, c.ranges)
			}
			if !strings.Contains(l.said(), c.says) || strings.Contains(fmt.Sprint(l.said(), err), "signature") {
				t.Errorf("notes: %s", l.said())
			}
			if c.fails == nil {
				if err != nil {
					t.Fatal(err)
				}
				if content(t, got.Weights) != long {
					t.Error("the content is another")
				}
				return
			}
			if err == nil || !errors.Is(err, c.fails) && !strings.Contains(err.Error(), c.fails.Error()) {
				t.Fatalf("%v, want %v", err, c.fails)
			}
			if _, err := os.Stat(filepath.Join(s.Cache, "models--org--model", "snapshots", testCommit,
				"model.safetensors")); err == nil {
				t.Error("there are weights all the same")
			}
		})
	}
}

// A process that was ended leaves a part. The next one resumes it, if it is right.
func TestResumeOfAnotherProcess(t *testing.T) {
	for _, c := range []struct {
		name, part string
		ranges     []string
		says       string
	}{
		{"right", "weights weights ", []string{" bytes=16-"}, ""},
		{"all of it", strings.Repeat("weights ", 1000), nil, ""},
		{"damaged", "weights wEights ", []string{" bytes=16-", ""}, "starting again"},
		{"too long", strings.Repeat("weights ", 1001), []string{""}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFakeHub(t)
			s := settingsOf(t, f.hub.URL)
			cl, l := client(t, s)
			m, err := cl.head(context.Background(),
				reference.Reference{Repo: "org/model", Revision: "main", File: "model.safetensors"}, mostWeights, 1)
			if err != nil {
				t.Fatal(err)
			}
			part := cl.repository("org/model").blob(m.blob()) + ".incomplete"
			if err := os.MkdirAll(filepath.Dir(part), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(part, []byte(c.part), 0o644); err != nil {
				t.Fatal(err)
			}
			if list := cl.List(); list.Incomplete != int64(len(c.part)) || len(list.Models) != 0 {
				t.Errorf("the list takes it for whole: %+v", list)
			}
			f.asked()
			if got := fetch(t, cl, ref); content(t, got.Weights) != f.files["model.safetensors"] {
				t.Error("the content is another")
			}
			var ranges []string
			for _, line := range f.asked() {
				if rest, ok := strings.CutPrefix(line, "GET /content/model.safetensors"); ok {
					ranges = append(ranges, rest)
				}
			}
			if !slices.Equal(ranges, c.ranges) || !strings.Contains(l.said(), c.says) {
				t.Errorf("ranges %q, notes %q", ranges, l.said())
			}
			if left := leftovers(t, s.Cache); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestWrongChecksum(t *testing.T) {
	f := newFakeHub(t)
	f.sha["model.safetensors"] = strings.Repeat("0", 64)
	s := settingsOf(t, f.hub.URL)
	c, _ := client(t, s)
	_, err := c.Fetch(context.Background(), ref)
	if !errors.Is(err, ErrDamaged) ||
		!strings.Contains(err.Error(), "hf://org/model/model.safetensors: the download is damaged: its SHA-256 is") {
		t.Fatal(err)
	}
	if left := leftovers(t, s.Cache); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if list := c.List(); len(list.Models) > 0 {
		t.Errorf("the list has it: %+v", list)
	}

	// The checksum of a small file is git's.
	f = newFakeHub(t)
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "config.json") {
			return false
		}
		_, _ = w.Write([]byte(strings.ToUpper(f.files["config.json"])))
		return true
	}
	for _, gits := range []bool{true, false} { // the etag is git's checksum only on the hub itself
		c, _ = client(t, settingsOf(t, f.hub.URL))
		c.gits = gits
		if _, err := c.Fetch(context.Background(), ref); gits != errors.Is(err, ErrDamaged) ||
			gits && !strings.Contains(err.Error(), "SHA-1") {
			t.Error(gits, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name, code, message string
		status              int
		token               string
		want                error
		says                string
	}{
		{"gated", "GatedRepo", "Access to model org/model is restricted.", 401, "", ErrDenied,
			"the model is gated: accept its terms at HUB/org/model, and set HF_TOKEN"},
		{"gated for the account", "GatedRepo", "", 403, "x", ErrDenied, "the account of the token has no access yet"},
		{"private or not there", "RepoNotFound", "", 401, "", ErrNotFound,
			"has no model org/model, or it is gated or private: set HF_TOKEN"},
		{"not there", "RepoNotFound", "", 404, "x", ErrNotFound, "the token in use has no access"},
		{"no revision", "RevisionNotFound", "", 404, "", ErrNotFound, `the model has no revision "main"`},
		{"bad token", "", "Invalid credentials in Authorization header", 401, "x", ErrDenied,
			"does not accept the token"},
		{"plain 401", "", "", 401, "", ErrDenied, "HF_TOKEN"},
		{"plain 403", "", "Forbidden\u0085\u009b2J", 403, "", ErrDenied, "refuses it (403"},
		{"plain 404", "", "", 404, "", ErrNotFound, "has no such model or revision"},
		{"switched off", "DisabledRepo", "", 403, "", ErrDenied, "disabled the model"},
		{"teapot", "", "", 418, "", nil, "answers 418"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFakeHub(t)
			f.before = func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("X-Error-Code", c.code)
				w.Header().Set("X-Error-Message", c.message)
				w.WriteHeader(c.status)
				return true
			}
			s := settingsOf(t, f.hub.URL)
			s.Token = c.token
			cl, l := client(t, s)
			_, err := cl.Fetch(context.Background(), ref)
			if err == nil ||
				c.want != nil && !errors.Is(err, c.want) ||
				!strings.Contains(err.Error(), strings.Replace(c.says, "HUB", f.hub.URL, 1)) ||
				!strings.HasPrefix(err.Error(), ref) && c.status != 418 {
				t.Fatal(err)
			}
			if strings.ContainsAny(err.Error(), "\n\u0085\u009b") || l.said() != "" {
				t.Errorf("%q, notes %q", err, l.said())
			}
			if _, err := os.Stat(filepath.Join(s.Cache, "models--org--model")); err == nil {
				t.Error("the cache has a folder for it")
			}
		})
	}
	f := newFakeHub(t)
	c, _ := client(t, settingsOf(t, f.hub.URL))
	if _, err := c.Fetch(context.Background(), "hf://timm/fasternet_t0_in1k"); err == nil ||
		!strings.Contains(err.Error(), "did you mean hf://timm/fasternet_t0.in1k?") {
		t.Error(err)
	}
}

// Without the hub, or offline, the files of the cache are used.
func TestWithoutTheHub(t *testing.T) {
	f := newFakeHub(t)
	s := settingsOf(t, f.hub.URL)
	c, _ := client(t, s)
	want := fetch(t, c, ref)
	f.asked()

	offline := s
	offline.Offline = true
	c, l := client(t, offline)
	if got := fetch(t, c, ref); got != want || l.said() != "" || len(f.asked()) > 0 {
		t.Errorf("%+v, want %+v; notes %s", got, want, l.said())
	}
	for _, other := range []string{"hf://org/other", ref + "@v2", ref + "/x.pth", "https://example.org/a.pth"} {
		if _, err := c.Fetch(context.Background(), other); !errors.Is(err, ErrOffline) ||
			!strings.Contains(err.Error(), "HF_HUB_OFFLINE") {
			t.Errorf("%s: %v", other, err)
		}
	}

	const address = "127.0.0.1:1" // no program listens there
	gone := s
	gone.Endpoint = "http://" + address
	c, l = client(t, gone)
	if got := fetch(t, c, ref); got != want ||
		!strings.Contains(l.said(), "the hub http://"+address+" cannot be reached: ") ||
		!strings.Contains(l.said(), "using commit 0123456789ab from the cache") {
		t.Errorf("%+v; notes %s", got, l.said())
	}
	if _, err := c.Fetch(context.Background(), "hf://org/other"); !errors.Is(err, ErrUnreachable) ||
		!strings.Contains(err.Error(), "HF_ENDPOINT") {
		t.Error(err)
	}

	f.before = func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "", http.StatusServiceUnavailable)
		return true
	}
	c, l = client(t, s)
	if got := fetch(t, c, ref); got != want || !strings.Contains(l.said(), "503") {
		t.Errorf("%+v; notes %s", got, l.said())
	}

	gone.Endpoint, gone.Timeout = "http://no-such-host.invalid", 2*time.Second // or the name server does not answer
	c, _ = client(t, gone)
	if _, err := c.Fetch(context.Background(), "hf://org/other"); !errors.Is(err, ErrUnreachable) {
		t.Error(err)
	}
}

// A server that stops sending, or does not answer, does not hold the program forever.
func TestStalled(t *testing.T) {
	f := newFakeHub(t)
	s := settingsOf(t, f.hub.URL)
	c, l := client(t, s)
	f.directly(c, 100)
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := c.Fetch(t.Context(), ref)
		if err == nil ||
			!strings.Contains(err.Error(), "no data for 5m0s, after 500 bytes of ") ||
			!strings.Contains(l.said(), "trying again") {
			t.Error(err)
		}
		if took := time.Since(began); took < patience.Limit {
			t.Errorf("it gives up after %v", took)
		}
	})
	if left := leftovers(t, s.Cache); len(left) != 1 {
		t.Errorf("what has arrived is not kept: %v", left)
	}
	if list := c.List(); list.Others != 0 || len(list.Models) != 0 {
		t.Errorf("a model without its weights counts: %+v", list)
	}
}

// The user ends the program during a download.
func TestInterrupted(t *testing.T) {
	f := newFakeHub(t)
	ctx, cancel := context.WithCancel(context.Background())
	f.content = func(w http.ResponseWriter, r *http.Request, text string) {
		w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		_, _ = w.Write([]byte(text[:100]))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	s := settingsOf(t, f.hub.URL)
	c, l := client(t, s)
	l.step = func(done int64) {
		if done == 100 {
			cancel()
		}
	}
	if _, err := c.Fetch(ctx, ref); !errors.Is(err, context.Canceled) || l.said() != "" {
		t.Errorf("%v, notes %s", err, l.said())
	}
	f.content = nil
	c, l = client(t, s)
	got := fetch(t, c, ref)
	if content(t, got.Weights) != f.files["model.safetensors"] ||
		!slices.Contains(l.began, "model.safetensors of hf://org/model 100/8000") {
		t.Errorf("shown: %v", l.began)
	}
}

func TestFullDisk(t *testing.T) {
	f := newFakeHub(t)
	s := settingsOf(t, f.hub.URL)
	c, _ := client(t, s)
	undo := disk.Inject(func(op, file string, size int) *disk.Failure {
		if op == disk.Write && strings.HasSuffix(file, ".incomplete") && size > 1000 {
			return &disk.Failure{Written: size / 2, Err: syscall.ENOSPC}
		}
		return nil
	})
	_, err := c.Fetch(context.Background(), ref)
	undo()
	if !errors.Is(err, ErrWrite) ||
		!errors.Is(err, syscall.ENOSPC) ||
		!strings.Contains(err.Error(), "the disk is full after ") ||
		strings.Contains(err.Error(), "\n") {
		t.Fatal(err)
	}
	if list := c.List(); len(list.Models) > 0 {
		t.Errorf("half a file is taken for whole: %+v", list)
	}
	if got := fetch(t, c, ref); content(t, got.Weights) != f.files["model.safetensors"] {
		t.Error("the content is another")
	}

	s = settingsOf(t, f.hub.URL)
	c, _ = client(t, s)
	c.free = func(string) (uint64, bool) { return 1000, true }
	_, err = c.Fetch(context.Background(), f.cdn.URL+"/content/model.safetensors")
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "set XDG_CACHE_HOME") {
		t.Error(err)
	}
	if _, err := c.Fetch(context.Background(), ref); !errors.Is(err, syscall.ENOSPC) ||
		!strings.Contains(err.Error(), "needs 8.0 kB, but the disk of ") ||
		!strings.Contains(err.Error(), "has only 1.0 kB: make room, or set HF_HOME") {
		t.Error(err)
	}

	s.Cache = filepath.Join(s.Cache, "file")
	if err := os.MkdirAll(filepath.Dir(s.Cache), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Cache, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c, _ = client(t, s)
	if _, err := c.Fetch(context.Background(), ref); !errors.Is(err, ErrWrite) ||
		!strings.Contains(err.Error(), "HF_HOME") {
		t.Error(err)
	}
}

// Answers of a server cannot lead to files elsewhere, or to a download without an end.
func TestHostileServers(t *testing.T) {
	for _, c := range []struct {
		name, header, value string
		want                string // the error; "" for a file in its right place
	}{
		{"commit", "X-Repo-Commit", "../../../../etc", "want 40 hex digits"},
		{"etag that leads elsewhere", "X-Linked-Etag", `"../../../../x"`, ""},
		{"etag of dots", "X-Linked-Etag", `".."`, ""},
		{"long etag", "X-Linked-Etag", `"` + strings.Repeat("x", 5000) + `"`, ""},
		{"huge", "X-Linked-Size", "99999999999999", "gives a size of 100 TB, but the limit is 17.2 GB"},
		{"negative", "X-Linked-Size", "-1", `gives a size of "-1" bytes`},
		{"no number", "X-Linked-Size", "many", `gives a size of "many" bytes`},
		{"overflow", "X-Linked-Size", "99999999999999999999999", "gives a size of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFakeHub(t)
			text := f.files["model.safetensors"]
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/model.safetensors") {
					return false
				}
				w.Header().Set("X-Repo-Commit", testCommit)
				w.Header().Set(c.header, c.value)
				http.Redirect(w, r, f.cdn.URL+"/content/model.safetensors", http.StatusFound)
				return true
			}
			s := settingsOf(t, f.hub.URL)
			cl, _ := client(t, s)
			got, err := cl.Fetch(context.Background(), ref)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatal(err)
				}
				return
			}
			if err != nil || content(t, got.Weights) != text {
				t.Fatal(err)
			}
			blob, err := filepath.EvalSymlinks(got.Weights)
			blobs, err2 := filepath.EvalSymlinks(filepath.Join(s.Cache, "models--org--model", "blobs"))
			if err != nil || err2 != nil || filepath.Dir(blob) != blobs {
				t.Errorf("the content is in %s", blob)
			}
		})
	}

	f := newFakeHub(t)
	f.files["config.json"] = strings.Repeat(" ", mostConfig+1)
	c, _ := client(t, settingsOf(t, f.hub.URL))
	if _, err := c.Fetch(context.Background(), ref); err == nil ||
		!strings.Contains(err.Error(), "the limit is 4.2 MB") {
		t.Error(err)
	}

	around := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
	}))
	defer around.Close()
	c, _ = client(t, settingsOf(t, around.URL))
	if _, err := c.Fetch(context.Background(), ref); err == nil ||
		!strings.Contains(err.Error(), "redirects more than") || strings.Contains(err.Error(), "attempts") {
		t.Error(err)
	}
}

// A network that answers with a page to sign in is not the hub: the page is not taken for weights, and what the
// cache has is taken.
func TestPageToSignIn(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte("<html>sign in"))
	})
	portal := httptest.NewServer(page)
	defer portal.Close()
	leads := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, portal.URL+"/sign/in", http.StatusFound)
	}))
	defer leads.Close()
	for _, c := range []struct{ name, endpoint string }{{"at once", portal.URL}, {"after a redirect", leads.URL}} {
		t.Run(c.name, func(t *testing.T) {
			f := newFakeHub(t)
			s := settingsOf(t, f.hub.URL)
			cl, _ := client(t, s)
			old := fetch(t, cl, ref)
			s.Endpoint = c.endpoint
			cl, l := client(t, s)
			if got := fetch(t, cl, ref); got != old || !strings.Contains(l.said(), "answers with a web page") {
				t.Errorf("%+v, want %+v; notes %s", got, old, l.said())
			}
			s.Cache = t.TempDir()
			cl, _ = client(t, s)
			got, err := cl.Fetch(context.Background(), ref)
			if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "answers with a web page") {
				t.Errorf("%+v, %v", got, err)
			}
			s.Offline = true
			cl, _ = client(t, s)
			if got, err := cl.Fetch(context.Background(), ref); !errors.Is(err, ErrOffline) {
				t.Errorf("the page is in the cache: %+v, %v", got, err)
			}
		})
	}
}

// Two processes want the same file at once: one downloads it.
func TestTwoAtOnce(t *testing.T) {
	f := newFakeHub(t)
	f.content = func(w http.ResponseWriter, _ *http.Request, text string) {
		time.Sleep(100 * time.Millisecond)
		_, _ = w.Write([]byte(text))
	}
	s := settingsOf(t, f.hub.URL)
	var wait sync.WaitGroup
	for range 3 {
		c, _ := client(t, s)
		wait.Go(func() {
			got, err := c.Fetch(context.Background(), ref)
			if err != nil || content(t, got.Weights) != f.files["model.safetensors"] {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	wait.Wait()
	gets := 0
	for _, line := range f.asked() {
		if strings.HasPrefix(line, "GET /content/model.safetensors") {
			gets++
		}
	}
	if gets != 1 {
		t.Errorf("%d downloads", gets)
	}
}

// Fetches from a plain copy of the hub's files, without its headers.
func TestPlainCopy(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"config.json": "{}", "model.safetensors": "weights"} {
		path := filepath.Join(dir, "org", "model", "resolve", "main", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	gets := 0
	files := http.FileServer(http.Dir(dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			gets++
		}
		files.ServeHTTP(w, r)
	}))
	defer server.Close()
	c, _ := client(t, settingsOf(t, server.URL))
	first := fetch(t, c, ref)
	if content(t, first.Weights) != "weights" || first.Config == "" || first.Commit != "" || gets != 2 {
		t.Errorf("%+v, %d requests", first, gets)
	}
	if fetch(t, c, ref); gets != 2 {
		t.Errorf("%d requests: what has not changed is fetched again", gets)
	}
	path := filepath.Join(dir, "org", "model", "resolve", "main", "model.safetensors")
	if err := os.WriteFile(path, []byte("other weights"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := fetch(t, c, ref); content(t, got.Weights) != "other weights" {
		t.Error("the older content is taken")
	}
	if list := c.List(); list.Others != 1 { // its config.json does not come from timm
		t.Errorf("%+v", list)
	}
}

// A newer version that does not arrive leaves the older one in place.
func TestNewerVersionThatDoesNotArrive(t *testing.T) {
	f := newFakeHub(t)
	s := settingsOf(t, f.hub.URL)
	c, _ := client(t, s)
	old := fetch(t, c, ref)
	f.commit = strings.Repeat("b", 40)
	f.files["config.json"] = `{"architecture": "fasternet_t1"}`
	f.files["model.safetensors"] = "new weights"
	f.content = func(w http.ResponseWriter, _ *http.Request, _ string) {
		http.Error(w, "", http.StatusServiceUnavailable)
	}
	c, l := client(t, s)
	if got := fetch(t, c, ref); got != old || !strings.Contains(l.said(), "using commit ") {
		t.Errorf("%+v, want %+v; notes %s", got, old, l.said())
	}
	s.Offline = true
	c, _ = client(t, s)
	if got := fetch(t, c, ref); got != old {
		t.Errorf("offline: %+v, want %+v", got, old)
	}
	s.Offline, f.content = false, nil
	c, _ = client(t, s)
	if got := fetch(t, c, ref); content(t, got.Weights) != "new weights" {
		t.Errorf("%+v", got)
	}
}
