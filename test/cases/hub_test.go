package cases

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fasternet/internal/golden"
)

// hubServer is a hub that serves folders as timm 1.0 writes them, weights from another host.
type hubServer struct {
	hub, files *httptest.Server

	mu      sync.Mutex
	folders map[string]string // by repository
	config  func(text string) string
	sum     string // checksum that is said of weights; "" for the right one
	refuse  int    // status of all answers; 0 for none
	tokens  []string
}

func newHub(t *testing.T) *hubServer {
	s := &hubServer{folders: map[string]string{
		"timm/fasternet_small.test": golden.Foreign(t, "timm/fasternet_gelu"),
		"timm/vit_small.test":       golden.Foreign(t, "timm/vit_token"),
		"timm/swin_small.test":      golden.Foreign(t, "timm/swin"),
	}}
	s.hub = httptest.NewServer(http.HandlerFunc(s.answer))
	s.files = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the token goes to another host")
		}
		repo, file := filepath.Split(strings.TrimPrefix(r.URL.Path, "/"))
		text, err := os.ReadFile(filepath.Join(s.folders[strings.TrimSuffix(repo, "/")], file))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(text)))
	}))
	t.Cleanup(s.hub.Close)
	t.Cleanup(s.files.Close)
	home := t.TempDir()
	for name, value := range map[string]string{
		"HOME": home, "HF_ENDPOINT": s.hub.URL, "HF_TOKEN": "hf_secret", "HF_HOME": "", "HF_HUB_CACHE": "",
		"HUGGINGFACE_HUB_CACHE": "", "XDG_CACHE_HOME": "", "HF_HUB_OFFLINE": "", "TRANSFORMERS_OFFLINE": "",
		"HF_HUB_DOWNLOAD_TIMEOUT": "3600", // the machine may be busy
	} {
		t.Setenv(name, value)
	}
	return s
}

func (s *hubServer) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = append(s.tokens, r.Header.Get("Authorization"))
	if s.refuse != 0 {
		w.WriteHeader(s.refuse)
		return
	}
	repo, file, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/resolve/main/")
	text, err := os.ReadFile(filepath.Join(s.folders[repo], file))
	if err != nil || s.folders[repo] == "" {
		w.Header().Set("X-Error-Code",
			map[bool]string{true: "EntryNotFound", false: "RepoNotFound"}[s.folders[repo] != ""])
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("X-Repo-Commit", strings.Repeat("c", 40))
	if file == "config.json" {
		if s.config != nil {
			text = []byte(s.config(string(text)))
		}
		w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(text)))
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(text)))
		return
	}
	sum := s.sum
	if sum == "" {
		sum = fmt.Sprintf("%x", sha256.Sum256(text))
	}
	w.Header().Set("X-Linked-Etag", `"`+sum+`"`)
	w.Header().Set("X-Linked-Size", fmt.Sprint(len(text)))
	http.Redirect(w, r, s.files.URL+"/"+repo+"/"+file, http.StatusFound)
}

// Whatever takes weights takes a model of the hub: each command, and each key of a
// configuration, gives what it gives for the same folder on this machine.
func TestHub(t *testing.T) {
	s := newHub(t)
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog", "fox"}, 8, 4)
	local := golden.Foreign(t, "timm/fasternet_gelu")
	const ref = "hf://timm/fasternet_small.test"

	f.run("weights", "list").exits(0).says("none", "hf://timm/fasternet_t0.in1k", "fasternet_t0", "apache-2.0")
	got := f.run("weights", "fetch", ref).exits(0).
		says("downloading model.safetensors of " + ref + ", 14.7 kB").json()["fetched"].([]any)[0].(map[string]any)
	if got["reference"] != ref ||
		got["commit"] != strings.Repeat("c", 40) ||
		!strings.HasSuffix(got["weights"].(string),
			"/.cache/huggingface/hub/models--timm--fasternet_small.test/snapshots/"+strings.Repeat("c", 40)+
				"/model.safetensors") {
		t.Errorf("%v", got)
	}
	f.run("weights", "list").exits(0).
		says(ref, "15.7 kB", "fasternet_t0", "main cccccccccccc", "models: 1, together 15.7 kB")
	if !slices.Contains(s.tokens, "Bearer hf_secret") {
		t.Error("the hub got no token")
	}

	want := f.run("predict", "base/val", "--model", local, "--format", "csv").exits(0)
	if got := f.run("predict", "base/val", "--model", ref, "--format", "csv").exits(0).says(",cat,").
		hides("downloading"); got.stdout != want.stdout {
		t.Errorf("predict: %s\nwant %s", got.stdout, want.stdout)
	}
	sameLoss(t, "eval", f.run("eval", "--model", ref, "--data", "base"),
		f.run("eval", "--model", local, "--data", "base"))
	sameLoss(t, "a file of weights",
		f.run("eval", "--model", "hf://timm/vit_small.test/pytorch_model.bin", "--data", "base"),
		f.run("eval", "--model", golden.Foreign(t, "timm/vit_token"), "--data", "base"))
	f.run("verify", ref).exits(0).says("ok:")
	f.run("summary", ref).exits(0)
	f.run("features", "base/val", "--model", ref, "--out", "x.npy").exits(0)
	f.run("export", "--model", ref, "--out", "x.onnx").exits(0)
	f.run("convert", ref, "own.safetensors").exits(0)
	sameLoss(t, "converted", f.run("eval", "--model", "own.safetensors", "--data", "base"),
		f.run("eval", "--model", local, "--data", "base"))

	f.write("plain.yaml",
		[]byte("from: "+ref+"\ndata: {dir: base, image_size: 32}\ntrain: {epochs: 1, batch_size: 8}\nsched: "+
			"{warmup_epochs: 0}\nlog: {tensorboard: false}\n"))
	f.run("train", "plain.yaml", "--run", "a").exits(0).
		says("the configuration has no model: using the model of "+ref, "starting from the weights of ")
	f.run("train", "plain.yaml", "--run", "a", "--resume").exits(0)
	f.run("config", "show", "plain.yaml").exits(0).says("test_crop_ratio: 1", "mean: [0.485, 0.456, 0.406]")
	f.run("train", "plain.yaml", "--run", "b", "--from", "hf-hub:timm/swin_small.test",
		"--set", "data.image_size=32").exits(0).
		says("using the model of hf-hub:timm/swin_small.test")
	f.run("train", "plain.yaml", "--run", "c", "--set", "distill.type=soft", "--set", "distill.teacher="+ref).exits(0)
	if text := string(f.read("c/config.yaml")); !strings.Contains(text, "teacher: "+ref) {
		t.Errorf("config.yaml has a different teacher:\n%s", text)
	}

	// The cache is enough when the hub is away, or must not be asked.
	s.hub.Close()
	f.run("eval", "--model", ref, "--data", "base").exits(0).
		says("cannot be reached", "using commit cccccccccccc from the cache")
	t.Setenv("HF_HUB_OFFLINE", "1")
	f.run("eval", "--model", ref, "--data", "base").exits(0).hides("cannot be reached")
	f.run("eval", "--model", "hf://timm/other", "--data", "base").exits(1).
		says("hf://timm/other: not in the cache, and HF_HUB_OFFLINE is set")
}

// Classes whose names are numbers of WordNet get the words of ImageNet, or of config.json; other classes keep
// their names.
func TestWordsOfClasses(t *testing.T) {
	s := newHub(t)
	f := newFolder(t)
	f.imageFolders("base", []string{"n01440764", "n01443537", "n01484850"}, 1, 2)
	const ref = "hf://timm/fasternet_small.test"
	synsets := func(text string) string {
		return strings.NewReplacer(`"cat"`, `"n01440764"`, `"dog"`, `"n01443537"`, `"fox"`, `"n01484850"`).Replace(text)
	}
	s.config = synsets
	f.run("predict", "base/val", "--model", ref, "--format", "csv").exits(0).
		says(`"tench, Tinca tinca"`, `"goldfish, Carassius auratus"`)
	f.run("eval", "--model", ref, "--data", "base").exits(0).hides("other classes")
	f.run("convert", ref, "own.safetensors").exits(0)
	f.run("predict", "base/val", "--model", "own.safetensors").exits(0).says("tench, Tinca tinca")
	f.run("export", "--model", "own.safetensors", "--hub", "out").exits(0)
	if text := string(f.read("out/config.json")); !strings.Contains(text, `"n01440764": "tench, Tinca tinca"`) ||
		!strings.Contains(text, `"n01484850"`) {
		t.Error(text)
	}
	s.config = func(text string) string {
		return strings.Replace(synsets(text), `"model_args"`,
			`"label_descriptions": {"n01440764": "Schleie", "n01443537": "Goldfisch"}, "model_args"`, 1)
	}
	f.run("predict", "base/val", "--model", ref, "--format", "csv").exits(0).says("Schleie", "Goldfisch", "n01484850")
}

// What cannot be fetched is one line, with what to do, and leaves nothing that counts as whole.
func TestHubFailures(t *testing.T) {
	s := newHub(t)
	f := newFolder(t)
	f.imageFolders("base", []string{"cat"}, 1, 1)
	const ref = "hf://timm/fasternet_small.test"
	eval := func(model string) outcome { return f.run("predict", "base/val", "--model", model) }
	for _, c := range []struct{ model, says string }{
		{"hf://", "want ORG/NAME"}, {"hf://org", "want ORG/NAME"}, {"hf://../../x", "want ORG/NAME"},
		{"s3://a/b.pth", "want hf://ORG/NAME or https://"},
		{"https://example.org/page.html", "want a URL that ends in"},
	} {
		eval(c.model).exits(2).says(c.says)
		f.write("from.yaml", []byte("from: "+c.model+"\nbase: quickstart\n"))
		f.run("config", "check", "from.yaml").exits(2).says("from.yaml:1: from: ", c.says)
		f.run("weights", "fetch", c.model).exits(2).says(c.says)
	}
	eval("timm/fasternet_small.test").exits(1).says("for the model on the hub, write hf://timm/fasternet_small.test")
	eval("hf://timm/fasternet_small").exits(1).says("hf://timm/fasternet_small: not found")

	s.sum = strings.Repeat("0", 64)
	eval(ref).exits(1).says("the download is damaged: its SHA-256 is", "but the server says 0000")
	s.sum = ""
	f.run("weights", "list").exits(0).says("none")
	s.refuse = http.StatusUnauthorized
	eval(ref).exits(1).says("does not accept the token")
	s.refuse = http.StatusForbidden
	eval(ref).exits(1).says("no access")
	s.refuse = 0
	t.Setenv("HF_TOKEN", "a\nb")
	if o := eval(ref).exits(1).says("HF_TOKEN"); strings.Count(o.stderr, "\n") != 1 {
		t.Errorf("want one line:\n%s", o.stderr)
	}
	t.Setenv("HF_TOKEN", "")

	// A hostile checkpoint is one wherever it comes from.
	dir := t.TempDir()
	for name, text := range map[string]string{
		"config.json":       `{"architecture": "fasternet_t0"}`,
		"model.safetensors": "\xff\xff\xff\xff\xff\xff\xff\x7f{}",
		"README.md":         "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.folders["timm/hostile"] = dir
	if o := eval("hf://timm/hostile").exits(1); strings.Contains(o.stderr, "internal error") ||
		strings.Count(strings.TrimSpace(o.stderr), "\n") > 2 {
		t.Error(o.stderr)
	}

	t.Setenv("HF_HOME", f.file("base/val/cat")+"/000.png") // a file
	f.run("weights", "fetch", ref).exits(1).says("HF_HOME")
	t.Setenv("HF_HOME", "")
	s.hub.Close()
	f.run("weights", "fetch", "hf://timm/vit_small.test").exits(1).
		says("the hub "+s.hub.URL+" cannot be reached", "HF_ENDPOINT")
}

// A plain URL is a file of weights, with config.json next to it.
func TestURLOfWeights(t *testing.T) {
	s := newHub(t)
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog", "fox"}, 8, 4)
	local := golden.Foreign(t, "timm/fasternet_gelu")
	url := s.files.URL + "/timm/fasternet_small.test/model.safetensors"
	sameLoss(t, "eval", f.run("eval", "--model", url, "--data", "base"),
		f.run("eval", "--model", local, "--data", "base"))
	f.run("weights", "list").exits(0).says(url, "fasternet_t0")
	f.run("weights", "fetch", url+"#sha256="+strings.Repeat("0", 64)).exits(1).says("the download is damaged")
	f.run("weights", "fetch", s.files.URL+"/none.pth").exits(1).says("not found (404)")
}

// A folder for the hub is read back by every command as the model that it was made from.
func TestExportHub(t *testing.T) {
	for _, c := range []struct{ name, model, architecture string }{
		{"fasternet", tinyFasterNet, "fasternet_t0"},
		{"vit", tinyViT, "vit_base_patch16_224"},
		{"swin", strings.Replace(tinySwin, "}", ", norm_before_pool: true, norm_eps: 1.0e-5}", 1),
			"swin_tiny_patch4_window7_224"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFolder(t)
			f.imageFolders("base", []string{"cat", "dog", "fox"}, 4, 4)
			f.config("t.yaml", c.model)
			f.run("train", "t.yaml", "--run", "run", "--set", "train.epochs=1").exits(0)
			out := f.run("export", "--model", "run", "--hub", "sub/hub").exits(0).json()
			if out["format"] != "hub" ||
				out["path"] != "sub/hub" ||
				out["folded"] != false ||
				out["max_rel_diff"].(float64) > 1e-4 {
				t.Errorf("%v", out)
			}
			sameLoss(t, "eval", f.run("eval", "--model", "sub/hub", "--data", "base"), f.run("eval", "--model", "run"))
			if text := string(f.read("sub/hub/config.json")); !strings.Contains(text,
				`"architecture": "`+c.architecture) ||
				!strings.Contains(text, `"cat"`) ||
				!strings.Contains(text, `"num_features"`) {
				t.Error(text)
			}
			if text := string(f.read("sub/hub/README.md")); !strings.Contains(text, "library_name: timm") ||
				!strings.Contains(text, "32 × 32, 3 channels") {
				t.Error(text)
			}
			// An edited card stays; other files are not touched.
			f.write("sub/hub/README.md", []byte("mine"))
			f.run("export", "--model", "run", "--hub", "sub/hub").exits(0)
			if string(f.read("sub/hub/README.md")) != "mine" {
				t.Error("the card is another")
			}
			f.write("sub/hub/notes.txt", []byte("mine"))
			f.run("export", "--model", "run", "--hub", "sub/hub").exits(2).says("sub/hub has other files (notes.txt)")
			if entries, err := os.ReadDir(f.file("sub")); err != nil || len(entries) != 1 {
				t.Errorf("left: %v, %v", entries, err)
			}
		})
	}
	f := newFolder(t)
	f.config("t.yaml", strings.Replace(tinySwin, "}", ", norm_before_pool: true, norm_eps: 1.0e-6}", 1))
	f.run("export", "--model", "t.yaml", "--hub", "hub").exits(2).says("--hub: ", "norm_eps")
	f.config("f.yaml", tinyFasterNet)
	f.run("export", "--model", "f.yaml", "--out", "folded.safetensors").exits(0)
	f.run("export", "--model", "folded.safetensors", "--hub", "hub").exits(2).
		says("--hub: ", "batch norms, which are folded")
	f.run("export", "--model", "f.yaml", "--hub", "hub", "--out", "x.onnx").exits(2).says("choose one")
	f.run("export", "--model", "f.yaml", "--hub", "hub", "--opset", "17").exits(2)
	if _, err := os.Stat(f.file("hub")); err == nil {
		t.Error("there is a folder all the same")
	}
}
