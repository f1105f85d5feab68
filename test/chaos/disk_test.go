//go:build unix

package chaos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// failedOrFinished accepts a fault of something that is not essential: the run goes on, and says so.
func (r *run) failedOrFinished(e end, want string) error {
	if e.code == 0 {
		return nil
	}
	return e.failed(want)
}

// Every kind of operation fails, once or from then on. The run ends with the reason, and can be
// resumed on a disk that works.
func TestFailingDisk(t *testing.T) {
	ps := points(operations(t), false)
	for _, c := range []struct{ fault, how, want string }{
		{"EIO in one operation", "eio", "input/output error"},
		{"EIO from then on", "eio+", "input/output error"},
		{"ENOSPC in one operation", "enospc", "no space left"},
		{"ENOSPC from then on", "enospc+", "no space left"},
		{"a short write, then ENOSPC", "short", "no space left"},
		{"the file system turns read-only", "erofs+", "read-only file system"},
		{"EMFILE in one operation", "emfile", "too many open files"},
	} {
		ps := ps
		if c.how == "short" {
			ps = slices.DeleteFunc(slices.Clone(ps), func(p point) bool { return !strings.HasPrefix(p.name, "write ") })
		}
		switch {
		case !all():
			ps = spread(ps, 1+len(c.how)%2)
		case c.how != "eio" && c.how != "enospc": // try eio and enospc for all names
			ps = spread(ps, 30)
		}
		trials(t, c.fault, len(ps), func(i int, r *run) (int, error) {
			e, err := wait(r.command(ps[i].fault(c.how)), nil)
			if err == nil {
				err = r.failedOrFinished(e, c.want)
			}
			if err == nil {
				err = r.survives()
			}
			if err != nil {
				return 1, fmt.Errorf("%v %s: %w", ps[i], c.how, err)
			}
			return 1, nil
		})
	}
}

// mount makes a small file system in the folder of a run. Without the right to do so, it skips.
func mount(t *testing.T, fault, dir, options string) {
	t.Helper()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		skip(t, fault, "a small file system needs root on Linux")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput(); err != nil {
		skip(t, fault, "no file system can be mounted here: %v %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
}

func remount(dir, options string) error {
	if out, err := exec.Command("mount", "-o", "remount,"+options, dir).CombinedOutput(); err != nil {
		return fmt.Errorf("remount: %w %s", err, out)
	}
	return nil
}

// A real disk becomes full at some time, and has space again.
func TestFullDisk(t *testing.T) {
	const fault = "a full disk (tmpfs)"
	disk := filepath.Join(suite.dir, "full")
	mount(t, fault, disk, "size=1m")
	trials(t, fault, count(2, 20), func(i int, _ *run) (int, error) {
		dir := filepath.Join(suite.dir, fmt.Sprintf("full %d", i))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return 1, err
		}
		random := rand.New(rand.NewPCG(7, uint64(i)))
		size := fmt.Sprintf("size=%dk", 4*random.IntN(55))
		if size == "size=0k" { // a size of 0 means no limit
			size = "size=4k"
		}
		if out, err := exec.Command("mount", "-t", "tmpfs", "-o", size, "tmpfs", dir).CombinedOutput(); err != nil {
			return 1, fmt.Errorf("%w %s", err, out)
		}
		defer func() { _ = exec.Command("umount", "-l", dir).Run() }()
		r := &run{dir: filepath.Join(dir, "run")}
		e, err := wait(r.command(), nil)
		if err == nil {
			if err = r.failedOrFinished(e, "no space left"); err != nil { // or there was no room from the beginning
				err = r.failedOrFinished(e, "make room, or name a folder on another disk")
			}
		}
		if err == nil {
			err = remount(dir, "size=10m")
		}
		if err == nil {
			err = r.survives()
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", size, err)
		}
		return 1, err
	})
}

// A folder cannot be written, from the beginning or for a resumed run.
func TestReadOnly(t *testing.T) {
	const fault = "a read-only file system (tmpfs)"
	disk := filepath.Join(suite.dir, "read-only")
	mount(t, fault, disk, "size=10m")
	trials(t, fault, 1, func(int, *run) (int, error) {
		r := &run{dir: filepath.Join(disk, "run")}
		for _, op := range []string{"", "rename last.safetensors 3 kill"} {
			if op != "" {
				if _, err := wait(r.command("FASTERNET_FAULT="+op), nil); err != nil {
					return 2, err
				}
			}
			if err := remount(disk, "ro"); err != nil {
				return 2, err
			}
			e, err := wait(r.command(), nil)
			if err == nil {
				err = e.failed("read-only file system")
			}
			if err == nil {
				err = remount(disk, "rw")
			}
			if err != nil {
				return 2, err
			}
		}
		return 2, r.survives()
	})
}
