//go:build unix

package cases

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fasternet/internal/patience"
)

// profile fails unless a file is a pprof profile with functions of the program.
func (f folder) profile(name, function string) {
	f.t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(f.read(name)))
	if err != nil {
		f.t.Fatalf("%s: %v", name, err)
	}
	text, err := io.ReadAll(r)
	if err != nil || !bytes.Contains(text, []byte(function)) {
		f.t.Errorf("%s: %d bytes without %s, %v", name, len(text), function, err)
	}
}

// works waits until the program has used so much processor time.
func (s started) works(least time.Duration) {
	s.f.t.Helper()
	if runtime.GOOS != "linux" {
		time.Sleep(10 * least)
		return
	}
	const tick = time.Second / 100 // the unit of Linux for user programs
	patience.Until(s.f.t, fmt.Sprintf("%v works for %v", s.cmd.Args, least), func() bool {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
		_, after, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(after) // from the third on, the state
		if err != nil || len(fields) < 13 {
			s.f.t.Fatalf("%q, %v", text, err)
		}
		user, err := strconv.Atoi(fields[11])
		if err != nil {
			s.f.t.Fatal(err)
		}
		return time.Duration(user)*tick >= least
	})
}

// left fails if a file is half-written.
func (f folder) left() {
	f.t.Helper()
	entries, err := os.ReadDir(f.path)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, e := range entries {
		if strings.Contains(e.Name(), "unfinished") || strings.Contains(e.Name(), "writable") {
			f.t.Errorf("%s is left", e.Name())
		}
	}
}

func TestProfiles(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog"}, 8, 4)
	f.config("t.yaml", tinyViT)
	all := []string{"--cpuprofile", "cpu", "--memprofile", "memory", "--trace", "trace"}
	for _, c := range []struct {
		name string
		args []string
		code int
	}{
		{"train", []string{"train", "t.yaml", "--run", "run"}, 0},
		{"a run that fails", []string{"train", "t.yaml", "--run", "bad", "--set", "optim.lr=1e30"}, 1},
		{"bench", []string{"bench", "t.yaml", "--train", "--batch", "2", "--iterations", "2"}, 0},
		{"debug step", []string{"debug", "step", "run"}, 0},
	} {
		f.run(append(c.args, all...)...).exits(c.code)
		f.profile("cpu", "samples")
		f.profile("memory", "fasternet/")
		if !bytes.HasPrefix(f.read("trace"), []byte("go 1.")) {
			t.Errorf("%s: no trace", c.name)
		}
		f.left()
		for _, name := range []string{"cpu", "memory", "trace"} {
			if err := os.Remove(f.file(name)); err != nil {
				t.Error(err)
			}
		}
	}
	f.run("train", "t.yaml", "--run", "never", "--memprofile", "nowhere/memory", "--cpuprofile", "cpu").exits(1).
		says("--memprofile: writing nowhere/memory")
	f.run("train", "t.yaml", "--run", "never", "--trace", "./x", "--cpuprofile", "x").exits(2).
		says("--trace: ./x is the file of --cpuprofile")
	f.run("bench", "t.yaml", "--cpuprofile", "base").exits(1).says("--cpuprofile: writing base: it is a folder")
	for _, name := range []string{"never", "cpu", "x"} {
		if _, err := os.Stat(f.file(name)); err == nil {
			t.Errorf("%s is there", name)
		}
	}
	f.left()
}

// An interrupt ends a run or a bench, and the profiles are complete.
func TestProfilesOfInterrupted(t *testing.T) {
	f, args := longRun(t)
	for _, args := range [][]string{args, {"bench", "t.yaml", "--train", "--seconds", "1e6"}} {
		s := f.start(program, append(args, "--cpuprofile", "cpu", "--memprofile", "memory")...)
		s.works(time.Second)
		s.gets(syscall.SIGTERM)
		s.ends().exits(143)
		f.profile("cpu", "fasternet/")
		f.profile("memory", "fasternet/")
		f.left()
	}
}
