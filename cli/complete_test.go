package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// completed returns what bash offers for a line, with the printed script and no other package.
func completed(t *testing.T, script, dir, line string) []string {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("SKIPPED: there is no bash")
	}
	// Like readline: split at blanks, and at = and :, which are words themselves.
	var words []string
	for i, field := range strings.Split(line, " ") {
		word := ""
		for _, r := range field {
			if r == '=' || r == ':' {
				if word != "" {
					words = append(words, word)
				}
				words, word = append(words, string(r)), ""
				continue
			}
			word += string(r)
		}
		last := i == strings.Count(line, " ")
		if word != "" || last && (field == "" || strings.HasSuffix(field, "=")) {
			words = append(words, word)
		}
	}
	const ask = `source "$1"; line=$2; shift 2
COMP_LINE=$line COMP_POINT=${#line} COMP_TYPE=9
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
compopt() { :; }
__start_fasternet-train
for reply in "${COMPREPLY[@]}"; do echo "${reply%% *}"; done`
	cmd := exec.Command(bash, append([]string{"--norc", "--noprofile", "-c", ask, "bash", script, line}, words...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(program)+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", line, err, out)
	}
	return strings.Fields(string(out))
}

// Bash completes commands, flags, presets, keys and values of settings, runs and files.
func TestCompletion(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	r := invoke(t, "completion", "bash")
	if r.code != 0 {
		t.Fatal(r.stderr)
	}
	writeFile(t, script, []byte(r.stdout))
	for _, path := range []string{
		"runs/first/config.yaml", "runs/second/log.jsonl", "runs/other/x", "my.yaml", "notes.txt", "t0.onnx",
		"photos/cat.jpg",
	} {
		writeFile(t, filepath.Join(dir, path), nil)
	}
	for _, tt := range []struct {
		name, line string
		want, not  []string
	}{
		{"commands", "fasternet-train ", []string{"train", "eval", "predict", "config"}, nil},
		{"a command", "fasternet-train expo", []string{"export"}, []string{"eval"}},
		{"commands of a group", "fasternet-train data ", []string{"info", "pack"}, []string{"train"}},
		{"flags", "fasternet-train eval --c", []string{"--confusion", "--config", "--crop-ratio"}, []string{"--json"}},
		{"flags of all commands", "fasternet-train eval --j", []string{"--json"}, nil},
		{
			"presets and files", "fasternet-train train ",
			[]string{"quickstart", "fasternet_t0", "my.yaml"},
			[]string{"notes.txt"},
		},
		{"a preset", "fasternet-train train vit_t", []string{"vit_tiny"}, []string{"vit_base"}},
		{
			"runs", "fasternet-train eval ",
			[]string{"runs/first", "runs/second", "t0.onnx"},
			[]string{"runs/other", "my.yaml", "quickstart"},
		},
		{"a model that may be a preset", "fasternet-train summary quick", []string{"quickstart"}, nil},
		{"the second argument", "fasternet-train predict runs/first ", nil, []string{"runs/second", "quickstart"}},
		{
			"keys",
			"fasternet-train train quickstart --set optim.",
			[]string{"optim.lr=", "optim.opt="}, []string{"train.epochs="},
		},
		{"keys of a family", "fasternet-train train quickstart --set model.wind", []string{"model.window_size="}, nil},
		{"values", "fasternet-train train quickstart --set optim.opt=l", []string{"lars", "lamb"}, []string{"adamw"}},
		{
			"all values",
			"fasternet-train train quickstart --set data.interpolation=",
			[]string{"bilinear", "bicubic", "lanczos"}, nil,
		},
		{"true and false", "fasternet-train train quickstart --set log.tensorboard=", []string{"true", "false"}, nil},
		{"values of a flag", "fasternet-train eval x --weights ", []string{"auto", "ema", "plain"}, nil},
		{"values after an equals sign", "fasternet-train eval x --weights=p", []string{"plain"}, []string{"auto"}},
		{"data sets", "fasternet-train data info fash", []string{"fashion-mnist"}, nil},
		{"runs of a flag", "fasternet-train train --resume --run ", []string{"runs/first"}, []string{"runs/other"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := completed(t, script, dir, tt.line)
			for _, want := range tt.want {
				if !slices.Contains(got, want) {
					t.Errorf("%q: bash does not offer %s: %q", tt.line, want, got)
				}
			}
			for _, not := range tt.not {
				if slices.Contains(got, not) {
					t.Errorf("%q: bash offers %s: %q", tt.line, not, got)
				}
			}
		})
	}
}

// Every shell has a script, alone on standard output.
func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		r := invoke(t, "completion", shell)
		if r.code != 0 || !strings.Contains(r.stdout, "fasternet-train") || r.stderr != "" {
			t.Errorf("%s: exit code %d\n%s", shell, r.code, r.stderr)
		}
	}
}

// The shell offers the values of a flag that the command accepts and its help names.
func TestFlagValuesAreInHelp(t *testing.T) {
	for _, c := range everyCommand(newRoot()) {
		for name, values := range flagValues {
			command, flag, ok := strings.Cut(name, " ")
			if !ok {
				flag, command = command, c.Name()
			}
			f := c.Flags().Lookup(flag)
			if f == nil ||
				command != c.Name() ||
				!ok && flagValues[c.Name()+" "+flag] != nil ||
				flag == "stage" ||
				flag == "opset" {
				continue
			}
			for _, v := range values() {
				if !strings.Contains(f.Usage, v) {
					t.Errorf("%s --%s: the shell offers %q, of which the help says nothing: %s",
						c.CommandPath(), flag, v, f.Usage)
				}
			}
		}
	}
}

// Where weights are expected, the shell offers models of the hub after the first letters.
func TestCompleteModelsOfTheHub(t *testing.T) {
	fetch, _, err := newRoot().Find([]string{"weights", "fetch"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		word, typed string
		want        bool
	}{
		{"REF", "", true},
		{"REF", "hf://timm/fasternet_t", true},
		{"MODEL", "hf://timm/fasternet_t0", true},
		{"REF", "runs", false},
		{"RUN", "hf://", false},
	} {
		offered, _ := completeKind(fetch, c.word, c.typed)
		got := slices.ContainsFunc(offered, func(s string) bool {
			return strings.HasPrefix(s, "hf://timm/fasternet_t0.in1k\t")
		})
		if got != c.want {
			t.Errorf("%s %q: %q", c.word, c.typed, offered)
		}
	}
}
