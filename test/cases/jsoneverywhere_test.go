package cases

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// With --json, every command prints one object, alone on the standard output, and with --quiet nothing
// on the standard error. --dry-run writes nothing. The model is the first argument, or --model.
func TestJSONEverywhere(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog", "fox"}, 6, 2)
	f.config("mine.yaml", tinyFasterNet)
	f.write("s.yaml", []byte("config: mine.yaml\ntrials: 2\nspace: {optim.lr: {log_uniform: [1e-4, 1e-2]}}\n"))
	cat := "base/val/cat/000.png"
	skipped := map[string]string{
		"bench sums":            "it needs several ranks",
		"bench report":          "it takes long",
		"bench pconv":           "it takes long",
		"bench peak":            "it takes long",
		"bench threads":         "it takes long",
		"bench serve":           "it needs a server",
		"serve":                 "it does not end",
		"weights fetch":         "it needs a network",
		"data fetch":            "it needs a network",
		"completion bash":       "see the tests of cli",
		"completion zsh":        "see the tests of cli",
		"completion fish":       "see the tests of cli",
		"completion powershell": "see the tests of cli",
		"help":                  "text for people",
	}
	called := map[string]bool{}
	for _, line := range []string{
		"train mine.yaml --run run --dry-run",
		"train mine.yaml --run run",
		"lr-find mine.yaml --steps 20 --dry-run",
		"sweep s.yaml --run sweep --dry-run",
		"sweep s.yaml --run sweep",
		"kfold mine.yaml --folds 2 --run folds --dry-run",
		"kfold mine.yaml --folds 2 --run folds",
		"eval run --dry-run",
		"eval run",
		"eval --model run",
		"predict run " + cat + " --out p.csv --format csv --dry-run",
		"predict run " + cat,
		"predict --model run " + cat,
		"predict " + cat + " --model run --out q.csv --format csv",
		"features run " + cat + " --out f.npy --dry-run",
		"features run " + cat + " --out f.npy",
		"knn run --k 1 --dry-run",
		"knn run --k 1",
		"linprobe run --save h.safetensors --dry-run",
		"linprobe run --epochs 2 --opt sgd --train-batch 4",
		"viz run --out v.html --count 1 --dry-run",
		"viz run --out v.html --count 1",
		"report run --out page.html --dry-run",
		"report run --fast",
		"convert run c.safetensors --dry-run",
		"convert run c.safetensors",
		"export run --out e.onnx --dry-run",
		"export run --out e.onnx",
		"eval e.onnx",
		"verify run",
		"verify run e.onnx",
		"summary run",
		"bench run --dry-run",
		"bench run --iterations 2 --batch 2 --size 32",
		"bench data mine.yaml --images 2 --rounds 0",
		"config list",
		"config show mine.yaml",
		"config check mine.yaml",
		"config schedule mine.yaml",
		"config schema",
		"data fetch fashion-mnist --dir there --dry-run",
		"data info base",
		"data verify base",
		"data browse mine.yaml --out b.png --count 2 --dry-run",
		"data browse mine.yaml --out b.png --count 2",
		"data pack base --out packed --dry-run",
		"data pack base --out packed",
		"data shard base --out shards --dry-run",
		"data shard base --out shards",
		"debug step run",
		"version",
		"man eval",
		"man --markdown",
		"train mine.yaml --run two --set seed=1",
		"soup run two --out soup.safetensors --dry-run",
		"soup run two --out soup.safetensors",
		"weights list",
	} {
		words := strings.Fields(line)
		before := f.everything()
		o := f.run(append(words, "--json", "--quiet")...)
		var v map[string]any
		if err := json.Unmarshal([]byte(o.stdout), &v); o.code != 0 || err != nil || len(v) == 0 {
			t.Errorf("%s: exit code %d, %v\n%s%s", line, o.code, err, o.stdout, o.stderr)
		}
		if o.stderr != "" && !strings.HasPrefix(o.stderr, "warning:") {
			t.Errorf("%s --quiet prints\n%s", line, o.stderr)
		}
		dry := slices.Contains(words, "--dry-run")
		if dry && (v["dry_run"] != true || !slices.Equal(before, f.everything())) {
			t.Errorf("%s: it says %v, and has written something: %v", line, v, !slices.Equal(before, f.everything()))
		}
		called[words[0]] = true
		if len(words) > 1 {
			called[words[0]+" "+words[1]] = true
		}
	}
	// Every command of the page is tried here, or has a reason why not.
	page := f.run("man", "--markdown").exits(0).stdout
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)( [a-z]+)?").FindAllStringSubmatch(page, -1) {
		if name := m[1] + m[2]; !called[name] && !called[m[1]] && skipped[name] == "" && name != "debug compare" {
			t.Errorf("%s is not tried", name)
		}
	}
}

// everything lists all files of the folder.
func (f folder) everything() (names []string) {
	f.t.Helper()
	err := filepath.WalkDir(f.path, func(path string, _ os.DirEntry, err error) error {
		names = append(names, path)
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return names
}
