package train

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/data/sets"
	"fasternet/internal/disk"
	"fasternet/internal/ramdisk"
)

// Where no run can be is known before any work, and nothing is left there.
func TestUsable(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "run"), filepath.Join(root, "a\x00b")} {
		if err := Usable(dir, ""); err == nil || !strings.Contains(err.Error(), "--run names another folder") {
			t.Errorf("%q: %v", dir, err)
		}
	}
	for _, dir := range []string{root, filepath.Join(root, "new"), filepath.Join(root, "deep", "er", "new")} {
		if err := Usable(dir, ""); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
	photos := filepath.Join(t.TempDir(), "photos")
	if err := os.MkdirAll(filepath.Join(photos, "rose"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(photos, "rose", "1.JPG"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ dir, says string }{
		{photos + "/.", "is the folder of the data set: --run names another folder"},
		{filepath.Join(photos, "rose"), "has images, such as 1.JPG: --run names another folder"},
		{filepath.Join(photos, "runs"), ""},
		{filepath.Join(photos, "rose", "run"), ""},
	} {
		err := Usable(c.dir, photos)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.dir, err, c.says)
		}
	}
	if left, err := os.ReadDir(root); err != nil || len(left) != 1 {
		t.Errorf("it has left %v, %v", left, err)
	}
}

// A run that has no room for its checkpoints does not begin.
func TestRoomForCheckpoints(t *testing.T) {
	defer func() { freeSpace = disk.FreeSpace }()
	c := smallConfig(t, small["fasternet"], noise(t), "threads=1", "train.epochs=1", "ema.decay=0.9")
	const note = "note: the checkpoints of the run take up to "
	const fault = "run folder: the checkpoints of the run take up to "
	var size uint64 // of the tensors of a checkpoint
	for _, test := range []struct {
		name string
		free func() uint64
		says string
	}{
		{"enough", func() uint64 { return 1 << 40 }, ""},
		{"none", func() uint64 { return 100 }, fault},
		{"for the first ones", func() uint64 { return 3 * size }, note},
		{"for one", func() uint64 { return 3 * size / 2 }, fault},
	} {
		t.Run(test.name, func(t *testing.T) {
			freeSpace = func(string) (uint64, bool) { return test.free(), true }
			dir := filepath.Join(ramdisk.Dir(t), "run")
			var log strings.Builder
			_, err := Run(context.Background(), c, Options{Dir: dir, Log: &log})
			if (err != nil) != (test.says == fault) || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Fatalf("%v, want %q", err, test.says)
			}
			if strings.Contains(log.String(), note) != (test.says == note) {
				t.Errorf("want %q in\n%s", test.says, log.String())
			}
			switch f, wrong := checkpoints.Read(filepath.Join(dir, "checkpoints", "last.safetensors")); {
			case err == nil && wrong == nil:
				size = 0
				for _, x := range f.Tensors {
					size += uint64(4*len(x.F32) + 8*len(x.I64))
				}
			case err == nil:
				t.Error(wrong)
			default:
				if _, there := os.Stat(dir); there == nil {
					t.Error("a folder was made")
				}
			}
		})
	}
}

// A run may lie in the folder of its images, and is no class there, from its first moment on.
func TestRunAmongImages(t *testing.T) {
	root := ramdisk.Dir(t)
	for _, class := range []string{"cat", "dog"} {
		path := filepath.Join(root, class, "1.png")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := OpenFolder(filepath.Join(root, "runs", "photos"))
	if err != nil {
		t.Fatal(err)
	}
	for _, moment := range []string{"while it goes on", "after it"} {
		d, err := sets.OpenClassFolders(root, nil)
		if err != nil || !slices.Equal(d.Classes(), []string{"cat", "dog"}) {
			t.Errorf("%s: %v, %v", moment, d, err)
		}
		if moment == "while it goes on" {
			if err := checkpoints.WriteAtomic(f.path(ConfigFile), writer(nil)); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
