//go:build unix

package chaos

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// count returns how often to try something.
func count(few, many int) int {
	if all() {
		return many
	}
	return few
}

// A process is killed at any time, resumed, killed again, and resumed.
func TestKill(t *testing.T) {
	trials(t, "SIGKILL at a random moment", count(4, 60), func(i int, r *run) (int, error) {
		random := rand.New(rand.NewPCG(3, uint64(i)))
		const times = 2
		for range times {
			moment := time.Duration(random.Float64() * 1.1 * float64(suite.took))
			cmd := r.command()
			if _, err := wait(cmd, func() { time.Sleep(moment); _ = cmd.Process.Kill() }); err != nil {
				return times, err
			}
			if err := r.intact(); err != nil {
				return times, err
			}
		}
		return times, r.survives()
	})
}

// After one signal, the program finishes the step, writes a checkpoint, and exits with the code of the
// signal. After two, it stops at once.
func TestSignals(t *testing.T) {
	for _, s := range []struct {
		fault  string
		signal syscall.Signal
		twice  bool
		code   int
	}{
		{"SIGTERM", syscall.SIGTERM, false, 143},
		{"SIGHUP", syscall.SIGHUP, false, 129},
		{"SIGINT", syscall.SIGINT, false, 130},
		{"SIGINT, twice", syscall.SIGINT, true, 130},
	} {
		trials(t, s.fault, count(1, 20), func(i int, r *run) (int, error) {
			random := rand.New(rand.NewPCG(5, uint64(i)))
			cmd := r.command()
			var failure error
			e, err := wait(cmd, func() {
				if failure = r.begun(0); failure != nil { // until then it may not handle signals
					return
				}
				time.Sleep(time.Duration(random.Float64() * 0.5 * float64(suite.took)))
				_ = cmd.Process.Signal(s.signal)
				if s.twice {
					time.Sleep(time.Duration(random.IntN(5)) * time.Millisecond)
					_ = cmd.Process.Signal(s.signal)
				}
			})
			if err := cmp.Or(err, failure); err != nil {
				return 1, err
			}
			if e.code != s.code && e.code != 0 { // 0: it was already finished
				return 1, fmt.Errorf("exit code %d, want %d\n%s", e.code, s.code, e.stderr)
			}
			return 1, r.survives()
		})
	}
}

// operations lists the operations of an undisturbed run on the disk, in order.
func operations(t *testing.T) []string {
	t.Helper()
	path := filepath.Join(suite.dir, "operations")
	defer os.Remove(path)
	r := &run{dir: filepath.Join(suite.dir, "watched", "run")} // the name of the folder is part of the names
	defer os.RemoveAll(filepath.Dir(r.dir))
	e, err := wait(r.command("FASTERNET_FAULT_LOG="+path), nil)
	if err != nil || e.code != 0 {
		t.Fatalf("exit code %d, %v\n%s", e.code, err, e.stderr)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// point is a fail point: the nth operation of that name.
type point struct {
	name string // name of the operation and the file
	n    int
}

// points returns the fail points of the operations: all of them, or, for names that occur often, the
// first, one in the middle and the last.
func points(operations []string, everyOne bool) []point {
	seen := map[string]int{}
	var out []point
	for _, name := range operations {
		seen[name]++
		out = append(out, point{name, seen[name]})
	}
	if everyOne {
		return out
	}
	return slices.DeleteFunc(out, func(p point) bool {
		last := seen[p.name]
		return p.n != 1 && p.n != last && p.n != (last+1)/2
	})
}

func (p point) fault(how string) string {
	return fmt.Sprintf("FASTERNET_FAULT=%s %d %s", p.name, p.n, how)
}

// spread takes n points at even distances.
func spread(ps []point, n int) []point {
	if n >= len(ps) {
		return ps
	}
	var out []point
	for i := range n {
		out = append(out, ps[i*len(ps)/n])
	}
	return out
}

// A process is killed before every single operation on a file, and in the middle of every write.
func TestKillInside(t *testing.T) {
	ops := operations(t)
	before := points(ops, true)
	torn := slices.DeleteFunc(points(ops, true), func(p point) bool { return !strings.HasPrefix(p.name, "write ") })
	if !all() {
		// Take the operations of saving, and a few others.
		before = spread(points(ops, false), 10)
		torn = spread(torn, 3)
	}
	for _, c := range []struct {
		fault, how string
		points     []point
	}{
		{"SIGKILL before a create, write, sync, rename, remove", "kill", before},
		{"SIGKILL in the middle of a write", "torn", torn},
	} {
		trials(t, c.fault, len(c.points), func(i int, r *run) (int, error) {
			p := c.points[i]
			e, err := wait(r.command(p.fault(c.how)), nil)
			if err != nil {
				return 1, err
			}
			if e.code != -1 {
				return 1, fmt.Errorf("%v %s: the process was not killed: exit code %d\n%s", p, c.how, e.code, e.stderr)
			}
			if err := r.survives(); err != nil {
				return 1, fmt.Errorf("%v %s: %w", p, c.how, err)
			}
			return 1, nil
		})
	}
}
