package cases

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const eightTrials = `config: mine.yaml
search: asha
trials: 8
seed: 3
space:
  optim.lr: {log_uniform: [1e-4, 1e-1]}
  optim.opt: [adamw, lamb]
asha: {min_epochs: 1, reduction: 2}
`

// A sweep over eight runs that is killed twice, at any moment, loses no finished run, and ends like an
// undisturbed one.
func TestSweepSurvivesKills(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog", "fox"}, 24, 8)
	f.config("mine.yaml", tinyFasterNet)
	mine := strings.Replace(string(f.read("mine.yaml")), "epochs: 2", "epochs: 4", 1)
	f.write("mine.yaml", []byte("threads: 1\ncheckpoint: {every_steps: 2}\n"+mine))
	f.write("eight.yaml", []byte(eightTrials))

	dry := f.run("sweep", "eight.yaml", "--dry-run", "--json").exits(0).json()
	trials := dry["trials"].([]any)
	if len(trials) != 8 ||
		dry["dry_run"] != true ||
		trials[0].(map[string]any)["settings"].(map[string]any)["optim.lr"].(float64) <= 0 {
		t.Fatalf("the dry run lists %v", dry)
	}
	if _, err := os.Stat(f.file("runs")); err == nil {
		t.Fatal("the dry run has written something")
	}

	want := f.run("sweep", "eight.yaml", "--run", "whole", "--quiet", "--json").exits(0)
	f.run("sweep", "eight.yaml", "--run", "whole").exits(1).says("already has a sweep: continue it with --resume")

	args := []string{"sweep", "eight.yaml", "--run", "killed", "--json"}
	kills := 0
	for _, marks := range []string{`"kind":"end","trial":2`, `"kind":"begin","trial":7`} {
		cmd := exec.Command(program, args...)
		cmd.Dir = f.path
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		f.awaits("killed/sweep.jsonl", marks)
		kills++
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		args = []string{"sweep", "eight.yaml", "--run", "killed", "--resume", "--json"}
	}
	finished := bytes.Count(f.read("killed/sweep.jsonl"), []byte(`"kind":"end"`))
	got := f.run(args...).exits(0)
	if a, b := want.stdout, strings.ReplaceAll(got.stdout, "killed", "whole"); a != b {
		t.Errorf("killed %d times, with %d jobs finished:\n%s\nwant\n%s", kills, finished, b, a)
	}
	for _, name := range []string{"sweep.csv", "trial-001/config.yaml", "trial-001/checkpoints/best.safetensors"} {
		if !bytes.Equal(bytes.ReplaceAll(f.read("killed/"+name), []byte("killed"), []byte("whole")),
			f.read("whole/"+name)) {
			t.Errorf("%s differs", name)
		}
	}
	page := string(f.read("killed/sweep.html"))
	if strings.Count(page, "<polyline") != 8 ||
		!strings.Contains(page, "optim.lr") ||
		!strings.Contains(page, "Trial ") {
		t.Errorf("the page has %d lines of trials", strings.Count(page, "<polyline"))
	}
	// Everything is finished.
	again := f.run(args...).exits(0)
	if again.stdout != got.stdout {
		t.Errorf("resumed when it was done: %s", again.stdout)
	}
}

// Wrong sweeps are usage errors that name the line.
func TestSweepErrors(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog"}, 2, 1)
	f.config("mine.yaml", tinyFasterNet)
	for _, tt := range []struct{ name, text, want string }{
		{"unknown key", "config: mine.yaml\ntrials: 2\nspace: {optim.lrr: [1]}\n",
			"s.yaml:3: space.optim.lrr: unknown key, did you mean optim.lr?"},
		{"reversed", "config: mine.yaml\ntrials: 2\nspace: {optim.lr: {uniform: [2, 1]}}\n",
			"s.yaml:3: space.optim.lr: the range is reversed"},
		{"logarithm of 0", "config: mine.yaml\ntrials: 2\nspace: {optim.lr: {log_uniform: [0, 1]}}\n",
			"s.yaml:3: space.optim.lr: a logarithmic range needs numbers above 0"},
		{"no valid run", "config: mine.yaml\ntrials: 2\nspace:\n  data.image_size: [1, 2, 3]\n",
			"s.yaml:4: space: none of the 2 trials is valid"},
		{"no such configuration", "config: mien.yaml\ntrials: 2\nspace: {optim.lr: [1]}\n", "mien.yaml"},
	} {
		f.write("s.yaml", []byte(tt.text))
		f.run("sweep", "s.yaml").exits(2).says(tt.want)
	}
	f.run("sweep", "none.yaml").exits(2).says("none.yaml: no such file")
}
