package train

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/internal/disk"
	"fasternet/internal/patience"
	"fasternet/internal/ramdisk"
)

// tree returns the content of all files in a folder.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, path))
		all[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// removeAll removes a folder although a checkpoint may be written into it at the same time.
func removeAll(path string) (err error) {
	patience.For(func() bool { err = os.RemoveAll(path); return err == nil })
	return err
}

// If a folder is deleted, moved, or made again by another run, the run notices before it writes anything: no
// checkpoint, log, summary, picture, event file, report or launch gets there, and the lock of the new run
// stays.
func TestFolderReplaced(t *testing.T) {
	data := noise(t)
	for _, c := range []struct {
		name   string
		family string
		change func(dir string) error
		gone   bool // the folder is then missing
	}{
		{"deleted", "fasternet", removeAll, true},
		{"moved", "fasternet", func(dir string) error { return os.Rename(dir, dir+".old") }, true},
		{"made again", "fasternet", func(dir string) error {
			if err := removeAll(dir); err != nil {
				return err
			}
			return another(dir)
		}, false},
		{"made again, of a pre-training", "localmim of a vit", func(dir string) error {
			if err := os.Rename(dir, dir+".old"); err != nil {
				return err
			}
			return another(dir)
		}, false},
		{"emptied and used again", "vit", func(dir string) error {
			entries, err := os.ReadDir(dir)
			for _, e := range entries {
				err = errors.Join(err, removeAll(filepath.Join(dir, e.Name())))
			}
			return errors.Join(err, another(dir))
		}, false},
	} {
		for _, settings := range [][]string{
			nil,
			{
				"train.log_interval=100", "log.histogram_interval=1", "mim.picture_interval=1",
				"checkpoint.every_steps=0",
			},
		} {
			t.Run(c.name, func(t *testing.T) {
				if !strings.HasPrefix(c.family, "localmim") && len(settings) > 0 {
					settings = append(settings[:2:2], settings[3:]...)
				}
				config := smallConfig(t, small[c.family], data, append(settings, "threads=1")...)
				dir := filepath.Join(ramdisk.Dir(t), "run")
				var want map[string]string
				ended := false
				_, err := Run(context.Background(), config, Options{
					Dir: dir, Log: io.Discard, Ended: func(error) { ended = true },
					Observe: func(s Status) {
						if s.Batches == 3 {
							if err := c.change(dir); err != nil {
								t.Error(err)
							}
							if !c.gone {
								want = tree(t, dir)
							}
						}
					},
				})
				if !errors.Is(err, errReplaced) || !strings.Contains(err.Error(), dir) {
					t.Errorf("the error is %v", err)
				}
				if ended {
					t.Error("a report may be written")
				}
				if c.gone {
					if _, err := os.Stat(dir); err == nil {
						t.Errorf("the folder is there again: %v", tree(t, dir))
					}
					return
				}
				got := tree(t, dir)
				for name, content := range got {
					if was, ok := want[name]; !ok || was != content {
						t.Errorf("%s was written: %q", name, content)
					}
				}
				if len(got) != len(want) {
					t.Errorf("%d files, want the %d of the new run", len(got), len(want))
				}
			})
		}
	}
}

// another returns a second run that is in the way.
func another(dir string) error {
	if err := os.MkdirAll(CheckpointDir(dir), 0o755); err != nil {
		return err
	}
	var err error
	for _, name := range []string{
		LockFile, ConfigFile, LogFile, SummaryFile, TextFile, LaunchesFile, "report.html",
		"checkpoints/last.safetensors",
	} {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), []byte("of the new run"), 0o644))
	}
	return err
}

// Removing old locks does not end a run: it takes its folder again, unless another process has.
func TestLockRemoved(t *testing.T) {
	f := openTest(t)
	if f.unlocked != nil {
		t.Skip(f.unlocked)
	}
	c := load(t, "none")
	if err := f.start(c, nil, Progress{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := os.Remove(f.path(LockFile)); err != nil {
			t.Skip("a lock that is held cannot be removed here")
		}
		if err := f.record(Record{Kind: StepRecord}); err != nil {
			t.Error(err)
		}
		if InUse(f.Dir) == "" {
			t.Error("the folder is not locked again")
		}
	}
	if err := os.Remove(f.path(LockFile)); err != nil {
		t.Fatal(err)
	}
	second, err := lockFolder(f.Dir) // what another process would hold
	if err != nil {
		t.Fatal(err)
	}
	if err := f.record(Record{Kind: StepRecord}); !errors.Is(err, errReplaced) {
		t.Errorf("two processes write: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if InUse(f.Dir) == "" {
		t.Error("the lock of the other one is gone")
	}
	if err := unlockFolder(second); err != nil {
		t.Error(err)
	}
}

// Logs that are moved away, for example by log rotation, and a deleted folder of checkpoints are made again, with a
// warning. Their old content is not written again, except the best checkpoint.
func TestFilesLostMeanwhile(t *testing.T) {
	dir := filepath.Join(ramdisk.Dir(t), "run")
	c := smallConfig(t, small["fasternet"], noise(t), "threads=1", "train.log_interval=1", "train.epochs=2")
	log := &signal{}
	var atLoss int
	out, err := Run(context.Background(), c, Options{Dir: dir, Log: log, Observe: func(s Status) {
		if s.Epoch == 1 && s.Step == 1 {
			atLoss = s.Batches
			patience.Until(t, "the checkpoint of the first epoch is complete", func() bool {
				entries, err := os.ReadDir(CheckpointDir(dir))
				return err == nil && len(entries) == 3 && entries[0].Name() == checkpoints.Best &&
					entries[1].Name() == checkpoints.Last && entries[2].Name() == checkpoints.Previous
			})
			for _, err := range []error{
				os.Rename(filepath.Join(dir, LogFile), filepath.Join(dir, "log.1")),
				os.Rename(filepath.Join(dir, TextFile), filepath.Join(dir, "text.1")),
				removeAll(CheckpointDir(dir)),
			} {
				if err != nil {
					t.Skip(err) // open files cannot be moved here
				}
			}
		}
	}})
	if err != nil || atLoss == 0 {
		t.Fatal(err)
	}
	for _, name := range []string{LogFile, TextFile, "checkpoints"} {
		want := filepath.Join(dir, name) + " was deleted or moved during the run: making it again"
		if !strings.Contains(log.all.String(), want) {
			t.Errorf("it does not say %q\n%s", want, log.all.String())
		}
	}
	records, err := (&Folder{Dir: dir}).Records()
	if err != nil || len(records) == 0 || records[0].Batches < atLoss || records[len(records)-1].Kind != EpochRecord {
		t.Errorf("records %+v, %v", records, err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, TextFile)); err != nil ||
		!strings.Contains(string(text), "epoch 2/2: ") {
		t.Errorf("%s, %v", text, err)
	}
	if s := scoreOf(readMeta(t, out.Checkpoint)); s == nil || s.Epoch+1 != out.Epoch {
		t.Errorf("best is %+v, want epoch %d", s, out.Epoch)
	}
}

// A lock claims a folder with its content, but not its neighbours.
func TestClaim(t *testing.T) {
	dir := t.TempDir()
	no := errors.New("no")
	release := disk.Claim(filepath.Join(dir, "run"), func() error { return no })
	for _, c := range []struct {
		path string
		want error
	}{{"run", no}, {"run/a", no}, {"run/b/c", no}, {"run2", nil}, {"a", nil}, {"run/../b", nil}} {
		t.Run(c.path, func(t *testing.T) {
			if err := disk.MakeFolder(filepath.Join(dir, c.path)); !errors.Is(err, c.want) {
				t.Errorf("%s: %v", c.path, err)
			}
		})
	}
	release()
	if err := disk.MakeFolder(filepath.Join(dir, "run", "a")); err != nil {
		t.Error(err)
	}
}
