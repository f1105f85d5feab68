package checkpoints_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"fasternet/checkpoints"
	"fasternet/formats"
	"fasternet/internal/disk"
	"fasternet/internal/ramdisk"
)

// large has enough values for several writes.
func large(step int) checkpoints.File {
	f := sample(step)
	f.Tensors = append(f.Tensors, formats.Tensor{Name: "x", Shape: []int{270_000}, F32: make([]float32, 270_000)})
	return f
}

// operations names the file operations of saving a last checkpoint.
func operations(t *testing.T) []string {
	t.Helper()
	f := checkpoints.Folder{Dir: ramdisk.Dir(t)}
	for step := range 2 {
		if err := f.SaveLast(sample(step)); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	undo := disk.Inject(func(op, file string, _ int) *disk.Failure {
		names = append(names, op+" "+file)
		return nil
	})
	defer undo()
	if err := f.SaveLast(large(2)); err != nil {
		t.Fatal(err)
	}
	return names
}

// The power may fail at any time. So a file is synced before it gets its name, and the folder before the
// replaced file is touched.
func TestSyncOrder(t *testing.T) {
	names := operations(t)
	kept := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return strings.HasPrefix(n, "write ") })
	folder := names[len(names)-1]
	want := []string{
		"create next.safetensors.unfinished.tmp", "sync next.safetensors.unfinished.tmp", "rename next.safetensors",
		folder,
		"rename previous.safetensors", "rename last.safetensors", folder,
	}
	if !slices.Equal(kept, want) || !strings.HasPrefix(folder, "sync ") || !strings.HasSuffix(folder, "/") {
		t.Errorf("got %q, want %q", kept, want)
	}
	if len(names) < len(kept)+2 {
		t.Errorf("%q: want several writes", names)
	}
}

var errCrash = errors.New("crash")

// Whatever fails, and wherever a process dies: the newest undamaged checkpoint is the old or the new one,
// and the next save tidies up.
func TestFaultAtEveryOperation(t *testing.T) {
	n := len(operations(t))
	for at := range n {
		for _, test := range []struct {
			how  string
			want error
		}{
			{"EIO", syscall.EIO},
			{"ENOSPC", syscall.ENOSPC},
			{"short", syscall.ENOSPC},
			{"EIO for good", syscall.EIO},
			{"crash", errCrash},
		} {
			t.Run(test.how, func(t *testing.T) {
				f := checkpoints.Folder{Dir: ramdisk.Dir(t)}
				for step := 1; step <= 2; step++ {
					mustSave(t, f, large(step))
				}
				count := 0
				undo := disk.Inject(func(_, _ string, size int) *disk.Failure {
					count++
					if count-1 < at || count-1 > at && test.how != "EIO for good" && test.how != "crash" {
						return nil
					}
					if test.how == "short" || test.how == "crash" && count-1 == at {
						return &disk.Failure{Written: size / 2, Err: test.want}
					}
					return &disk.Failure{Err: test.want} // after a crash nothing more happens
				})
				err := f.SaveLast(large(3))
				undo()
				where := fmt.Sprintf("%s at operation %d", test.how, at)
				if !errors.Is(err, test.want) ||
					!strings.Contains(err.Error(), ".safetensors") && !strings.Contains(err.Error(), f.Dir) {
					t.Errorf("%s: the error is %v", where, err)
				}
				whole(t, where, f.Dir)
				c, _, err := f.Newest(func(err error) { t.Errorf("%s: %v", where, err) })
				if err != nil || c.Meta["step"] < "2" {
					t.Fatalf("%s: newest is %v, %v", where, c, err)
				}
				if err := checkpoints.Clean(f.Dir); err != nil {
					t.Error(err)
				}
				mustSave(t, f, large(4))
				last, err1 := checkpoints.Read(f.Path(checkpoints.Last))
				previous, err2 := checkpoints.Read(f.Path(checkpoints.Previous))
				if err1 != nil || err2 != nil || last.Meta["step"] != "4" || previous.Meta["step"] != c.Meta["step"] {
					t.Errorf("%s: %v, %v", where, err1, err2)
				}
				if entries, _ := os.ReadDir(f.Dir); len(entries) != 2 {
					t.Errorf("%s: left: %v", where, entries)
				}
			})
		}
	}
}

func mustSave(t *testing.T, f checkpoints.Folder, c checkpoints.File) {
	t.Helper()
	if err := f.SaveLast(c); err != nil {
		t.Fatal(err)
	}
}

// whole checks that every file with the name of a checkpoint is undamaged.
func whole(t *testing.T, where, dir string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if _, err := checkpoints.Read(path); err != nil {
			t.Errorf("%s: %v", where, err)
		}
	}
}
