package train

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Only one process works on a run folder. The file of a dead process is not a lock.
func TestLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, LockFile)
	if err := os.WriteFile(path, []byte("process 1 on elsewhere since the flood\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	first, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err = OpenFolder(dir)
		want := fmt.Sprintf("in use by process %d on ", os.Getpid())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("the error is %v, want one with %q", err, want)
		}
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err == nil && !mandatoryLocks {
		t.Error("the lock's file is left")
	}
	again, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("x", 5000)), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := holder(path); got != "another process" {
		t.Errorf("a file of something else: %s", got)
	}
}

// Unfinished files of a killed process are removed, and no others.
func TestCleanFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	for _, name := range []string{
		"notes.tmp", "config.yaml.unfinished.tmp", "checkpoints/last.safetensors.unfinished.tmp",
		"checkpoints/mine.safetensors",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if Holds(dir) {
		t.Error("left-overs are taken for a run")
	}
	f, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	var names []string
	for _, d := range []string{dir, f.Checkpoints.Dir} {
		entries, _ := os.ReadDir(d)
		for _, e := range entries {
			names = append(names, e.Name())
		}
	}
	if got := fmt.Sprint(names); got != "[checkpoints notes.tmp mine.safetensors]" {
		t.Errorf("left: %s", got)
	}
	if err := os.WriteFile(filepath.Join(f.Checkpoints.Dir, "epoch-003.safetensors"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if !Holds(dir) {
		t.Error("a checkpoint is not taken for a run")
	}
}

// A log that a crash has damaged, with lines of zeros or without an end, does not stop a run.
func TestDamagedLogs(t *testing.T) {
	f := &Folder{Dir: t.TempDir()}
	good := `{"kind":"step","epoch":0,"step":1,"batches":1}`
	zeros := strings.Repeat("\x00", 200_000)
	log := good + "\n" + zeros + "\n{}\nnull\n[1]\n" + `{"kind":"step","epoch":0,"step":2,"batches":2}`
	summary := strings.Join(summaryHeader, ",") + "\n0,1,2,3,4,5\n\x00\"\x00,\n7\n1,1,1,1,1,0.00"
	for _, c := range []struct{ name, text string }{{LogFile, log}, {SummaryFile, summary}} {
		if err := os.WriteFile(f.path(c.name), []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.forget(Progress{Epoch: 9, Batches: 99}); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(f.path(LogFile))
	scores, err := f.Scores()
	if string(text) != good+"\n" || err != nil || len(scores) != 1 || scores[0].LR != 5 {
		t.Errorf("kept %q and %v, %v", text, scores, err)
	}
}
