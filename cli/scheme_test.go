package cli

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var updatePages = flag.Bool("update", false, "write docs/reference/commands.md again")

// The page of all commands is up to date.
func TestCommandsPage(t *testing.T) {
	path := filepath.Join("..", "docs", "reference", "commands.md")
	page := commandsPage(newRoot())
	if *updatePages {
		writeFile(t, path, []byte(page))
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != page {
		t.Errorf("docs/reference/commands.md is not what the program prints (%v): "+
			"run go test ./cli -run TestCommandsPage -update",
			err)
	}
	if r := invoke(t, "man", "--markdown"); r.code != 0 || r.stdout != page {
		t.Errorf("man --markdown: exit code %d\n%s", r.code, r.stderr)
	}
}

// For a misspelling, the error proposes the right word.
func TestDidYouMean(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "mine.yaml")
	writeFile(t, config, []byte("base: quickstart\nlr: 0.1\n"))
	for _, tt := range []struct {
		name, want string
		args       []string
	}{
		{"command", `unknown command "trian" for "fasternet-train", did you mean train?`, []string{"trian"}},
		{
			"command of a group",
			`unknown command "brwose" for "fasternet-train data", did you mean browse?`,
			[]string{"data", "brwose", "x"},
		},
		{"command without its group", `did you mean data browse?`, []string{"browse", "x"}},
		{"flag", `unknown flag: --confusoin, did you mean --confusion?`, []string{"eval", "x", "--confusoin", "y"}},
		{
			"setting as a flag",
			`unknown flag: --epochs, did you mean --set train.epochs=VALUE?`,
			[]string{"train", "quickstart", "--epochs", "3"},
		},
		{
			"setting as a misspelt flag",
			`unknown flag: --btach-size, did you mean --set train.batch_size=VALUE?`,
			[]string{"train", "quickstart", "--btach-size", "3"},
		},
		{"preset", `no preset is called "fasternet-t0", did you mean fasternet_t0?`, []string{"train", "fasternet-t0"}},
		{"nothing near", `unknown command "zzzzzzzzzzzz" for "fasternet-train"; see`, []string{"zzzzzzzzzzzz"}},
		{"no argument", "want MODEL, got nothing", []string{"summary"}},
		{
			"model twice",
			"MODEL is given twice, as a and as --model: leave one out",
			[]string{"summary", "a", "--model", "b"},
		},
		{
			"empty model",
			"MODEL: want the folder of a run, a checkpoint or an export",
			[]string{"export", "", "--out", "x.onnx"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) { fail(t, 2, tt.want, tt.args...) })
	}
}

// There is also a flag for the version, and with --json standard output has only the JSON.
func TestOutputFlags(t *testing.T) {
	if r := invoke(t, "--version"); r.code != 0 ||
		!strings.HasPrefix(r.stdout, "fasternet-train ") ||
		strings.Count(r.stdout, "\n") != 1 {
		t.Errorf("--version: %+v", r)
	}
	for _, args := range [][]string{
		{"version"}, {"config", "list"}, {"config", "show", "quickstart"}, {"config", "show", "quickstart", "--source"},
		{"config", "check", "fasternet_t0"}, {"config", "schedule", "fasternet_t0", "--every", "100"},
		{"summary", "quickstart"},
		{"data", "info", "fashion-mnist", "--data", fashion(t, 20, 10)}, {"man", "eval"}, {"man", "--markdown"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			r := invoke(t, append(args, "--json", "--quiet")...)
			var v map[string]any
			if err := json.Unmarshal([]byte(r.stdout), &v); err != nil || len(v) == 0 || r.code != 0 || r.stderr != "" {
				t.Errorf("exit code %d, %v\n%s%s", r.code, err, r.stdout, r.stderr)
			}
		})
	}
}
