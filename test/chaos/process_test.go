//go:build unix

package chaos

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fasternet/internal/patience"
)

// If two processes use one folder, the second is refused, and the first goes on.
func TestTwoProcesses(t *testing.T) {
	trials(t, "two processes on one run folder", count(1, 10), func(_ int, r *run) (int, error) {
		first := r.command()
		var second end
		var failure error
		e, err := wait(first, func() {
			if failure = r.begun(0); failure == nil {
				second, failure = wait(r.command(), nil)
			}
		})
		switch {
		case err != nil:
			return 1, err
		case failure != nil:
			return 1, failure
		case e.code != 0:
			return 1, fmt.Errorf("the first process: exit code %d\n%s", e.code, e.stderr)
		}
		if second.code != 0 { // 0: the first was already finished
			if err := second.failed(fmt.Sprintf("is in use by process %d on ", first.Process.Pid)); err != nil {
				return 1, err
			}
		}
		return 1, r.same()
	})
	trials(t, "the lock of a dead process", count(1, 5), func(_ int, r *run) (int, error) {
		if _, err := wait(r.command("FASTERNET_FAULT=rename last.safetensors 2 kill"), nil); err != nil {
			return 1, err
		}
		if _, err := os.Stat(filepath.Join(r.dir, "run.lock")); err != nil {
			return 1, fmt.Errorf("a killed process leaves no lock: %w", err)
		}
		return 1, r.survives()
	})
}

// A folder is deleted while a process works in it, and another process begins again in it: the first
// one writes nothing there.
func TestReplacedFolder(t *testing.T) {
	trials(t, "the folder deleted and begun again", count(1, 10), func(i int, r *run) (int, error) {
		first := r.command()
		var second end
		var failure error
		e, err := wait(first, func() {
			if failure = r.begun(i + 1); failure != nil {
				return
			}
			// The process may be writing at the same time.
			if !patience.For(func() bool { failure = os.RemoveAll(r.dir); return failure == nil }) {
				return
			}
			second, failure = wait(r.command(), nil)
		})
		switch {
		case err != nil:
			return 1, err
		case failure != nil:
			return 1, failure
		case second.code != 0:
			return 1, fmt.Errorf("the second process: exit code %d\n%s", second.code, second.stderr)
		}
		if e.code != 0 { // 0: it was already finished
			err := e.failed("the folder was deleted, moved or replaced")
			if err != nil { // during the deletion, it may miss a file first
				err = e.failed("no such file or directory")
			}
			if err != nil {
				return 1, err
			}
		}
		return 1, r.same()
	})
}

// limited runs the program under limits of the shell.
func (r *run) limited(limit string, more ...string) *exec.Cmd {
	shell := []string{"-c", limit + ` && exec "$0" "$@"`, suite.program}
	cmd := exec.Command("sh", slices.Concat(shell, suite.args, []string{r.dir}, more)...)
	return cmd
}

// Without file descriptors, a run ends with a message, or goes on.
func TestFileDescriptors(t *testing.T) {
	trials(t, "out of file descriptors (ulimit -n)", count(3, 10), func(i int, r *run) (int, error) {
		n := 10 + i // with fewer, Go itself cannot start
		e, err := wait(r.limited(fmt.Sprintf("ulimit -n %d", n)), nil)
		if err == nil && e.code != 0 {
			err = e.failed("too many open files")
		}
		if err == nil {
			err = r.survives()
		}
		if err != nil {
			err = fmt.Errorf("with %d: %w", n, err)
		}
		return 1, err
	})
}

// A model or a batch that does not fit is refused before the first step, with its size, and no folder
// is made.
func TestMemory(t *testing.T) {
	large := []string{"--set", "data.image_size=1024", "--set", "model.embed_dim=32", "--set", "train.batch_size=64"}
	for _, c := range []struct{ fault, limit, want string }{
		{"too little memory (GOMEMLIMIT)", "export GOMEMLIMIT=600MiB", "GOMEMLIMIT allows 600 MiB"},
		{"too little memory (ulimit -v)", "ulimit -v 2000000", "(ulimit -v) allows 1.9 GiB"},
	} {
		trials(t, c.fault, 1, func(_ int, r *run) (int, error) {
			e, err := wait(r.limited(c.limit, large...), nil)
			if err == nil {
				err = e.failed("GiB")
			}
			if err == nil {
				err = e.failed(c.want)
			}
			if err != nil {
				return 1, err
			}
			if _, err := os.Stat(r.dir); err == nil {
				return 1, fmt.Errorf("a folder was made")
			}
			return 1, r.survives()
		})
	}
}

// The clock was set back or forth while the run was stopped: its files come from the future, or from
// long ago. Package train tests a clock that jumps during a run.
func TestClock(t *testing.T) {
	trials(t, "the clock moved between two processes", count(1, 6), func(i int, r *run) (int, error) {
		fault := fmt.Sprintf("FASTERNET_FAULT=rename last.safetensors %d kill", 2+2*i)
		if _, err := wait(r.command(fault), nil); err != nil {
			return 1, err
		}
		n := 0
		err := filepath.WalkDir(r.dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			n++
			at := time.Now().AddDate((n%2*2-1)*(1+30*(i%2)), 0, n) // older and newer files change places
			return os.Chtimes(path, at, at)
		})
		if err != nil {
			return 1, err
		}
		return 1, r.survives()
	})
}

// The released program contains no faults.
func TestInert(t *testing.T) {
	if !all() {
		t.Skip("builds the program once more")
	}
	plain := filepath.Join(filepath.Dir(suite.program), "plain")
	cmd := exec.Command("go", "build", "-o", plain, "../../cmd/fasternet-train")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, c := range []struct {
		path string
		want bool
	}{{plain, false}, {suite.program, true}} {
		t.Run(c.path, func(t *testing.T) {
			program, err := os.ReadFile(c.path)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(string(program), "FASTERNET_FAULT"); got != c.want {
				t.Errorf("%s knows the variable of faults: %v", filepath.Base(c.path), got)
			}
		})
	}
	r := &run{dir: filepath.Join(suite.dir, "inert")}
	cmd = r.command("FASTERNET_FAULT=* * 1 kill")
	cmd.Path = plain
	e, err := wait(cmd, nil)
	if err != nil || e.code != 0 {
		t.Fatalf("exit code %d, %v\n%s", e.code, err, e.stderr)
	}
	if err := r.same(); err != nil {
		t.Error(err)
	}
}
