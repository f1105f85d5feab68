//go:build unix

package cases

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The folder of a run from another person may contain links to files of the user. Nothing is written
// through them: no lock, logs, launches, report, checkpoints or event files.
func TestRunsWriteThroughNoLink(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog"}, 8, 4)
	f.config("t.yaml", tinyFasterNet)
	set := []string{"--set", "log.tensorboard=true", "--set", "train.epochs=1"}
	f.run(append([]string{"train", "t.yaml", "--run", "plain"}, set...)...).exits(0)

	outside := func() (dir string, unchanged func(what string)) {
		dir = t.TempDir()
		for _, name := range []string{"file", "folder/kept"} {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("precious"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return dir, func(what string) {
			t.Helper()
			var found []string
			filepath.WalkDir(dir, func(path string, d os.DirEntry, _ error) error {
				if !d.IsDir() {
					text, _ := os.ReadFile(path)
					found = append(found, filepath.Base(path)+" "+string(text))
				}
				return nil
			})
			if got := strings.Join(found, ", "); got != "file precious, kept precious" {
				t.Errorf("%s: outside there is %.200s", what, got)
			}
		}
	}
	for _, c := range []struct {
		link   string // in the folder of the run
		to     string // outside
		before bool   // the run is new; else it is resumed
		says   string // "" if the link is replaced
	}{
		{"run.lock", "file", true, "run.lock is a symbolic link: nothing is written through it; remove it"},
		{"run.lock", "new", true, "run.lock is a symbolic link"},
		{"train.log", "file", true, "train.log is a symbolic link"},
		{"train.log", "new", true, "train.log is a symbolic link"},
		{"launches.jsonl", "file", true, "launches.jsonl is a symbolic link"},
		{"log.jsonl", "file", false, ""},
		{"summary.csv", "file", false, ""},
		{"config.yaml", "new", true, ""},
		{"report.html", "file", true, ""},
		{"evaluation.json", "file", true, ""},
		{"fingerprint.safetensors", "new", true, ""},
		{"checkpoints/best.safetensors", "new", true, ""},
		{"checkpoints/next.safetensors", "new", true, ""},
		{"checkpoints", "folder", true,
			"checkpoints is a symbolic link: nothing is written through it; " +
				"to have a run elsewhere, make its own folder a link"},
		{"tensorboard", "folder", true, "tensorboard is a symbolic link"},
		{"tensorboard/step", "folder", true, "step is a symbolic link"},
	} {
		dir, unchanged := outside()
		run := "run-" + strings.ReplaceAll(c.link, "/", "-") + "-" + c.to
		if !c.before {
			if err := os.CopyFS(f.file(run), os.DirFS(f.file("plain"))); err != nil {
				t.Fatal(err)
			}
			os.Remove(f.file(run + "/" + c.link))
		}
		if err := os.MkdirAll(filepath.Dir(f.file(run+"/"+c.link)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(dir, c.to), f.file(run+"/"+c.link)); err != nil {
			t.Fatal(err)
		}
		args := append([]string{"train", "t.yaml", "--resume", "--run", run}, set...)
		if !c.before {
			args = append(args, "--set", "train.epochs=2")
		}
		o := f.run(args...)
		if c.says != "" {
			o.exits(1).says(c.says)
		} else {
			o.exits(0)
			if info, err := os.Lstat(f.file(run + "/" + c.link)); c.link != "checkpoints/next.safetensors" &&
				(err != nil || !info.Mode().IsRegular()) {
				t.Errorf("%s: the link is still there: %v", c.link, err)
			}
		}
		unchanged(c.link)
	}

	// The folder of a run may be a link itself: this is the choice of its user.
	if err := os.Mkdir(f.file("elsewhere"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(f.file("elsewhere"), f.file("linked")); err != nil {
		t.Fatal(err)
	}
	f.run(append([]string{"train", "t.yaml", "--run", "linked"}, set...)...).exits(0)
	f.read("elsewhere/checkpoints/best.safetensors")

	// Nothing waits for a pipe.
	f.write("pipes/config.yaml", f.read("plain/config.yaml"))
	if err := syscall.Mkfifo(f.file("pipes/run.lock"), 0o644); err != nil {
		t.Fatal(err)
	}
	f.run(append([]string{"train", "t.yaml", "--resume", "--run", "pipes"}, set...)...).exits(1).
		says("run.lock is a pipe or a device and not a file")
	f.run("report", "pipes").exits(0)
	for _, name := range []string{
		"log.jsonl", "summary.csv", "launches.jsonl", "evaluation.json", "checkpoints/best.safetensors",
		"config.yaml",
	} {
		run := "pipe-" + strings.ReplaceAll(name, "/", "-")
		if err := os.CopyFS(f.file(run), os.DirFS(f.file("plain"))); err != nil {
			t.Fatal(err)
		}
		os.Remove(f.file(run + "/" + name))
		if err := syscall.Mkfifo(f.file(run+"/"+name), 0o644); err != nil {
			t.Fatal(err)
		}
		f.run("report", run)
		f.run("verify", run)
	}
}
