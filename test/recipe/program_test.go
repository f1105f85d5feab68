//go:build unix

package recipe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"fasternet/checkpoints"
	"fasternet/internal/patience"
	"fasternet/train"
)

// program is the built program.
var program string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "fasternet-train") // not in memory, where programs may not be allowed to run
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "fasternet-train")
	cmd := exec.Command("go", "build", "-o", program, "../../cmd/fasternet-train")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Printf("%v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// invoke runs the program and returns its exit code and its output.
func invoke(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// succeed runs the program, and returns the JSON object on the last line of its standard output and the
// messages before it.
func succeed(t *testing.T, args ...string) (result map[string]any, said string) {
	t.Helper()
	code, stdout, stderr := invoke(t, args...)
	if code != 0 {
		t.Fatalf("%v: exit code %d\n%s", args, code, stderr)
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &result); err != nil {
		t.Fatalf("%v: the last line is not a JSON object: %v\n%s", args, err, stdout)
	}
	return result, stderr
}

// set turns settings into --set options.
func set(settings ...string) (args []string) {
	for _, s := range settings {
		args = append(args, "--set", s)
	}
	return args
}

// progressOf returns the progress of a run by its newest checkpoint, which may not have its final name
// after a kill.
func progressOf(t *testing.T, dir string) (p train.Progress) {
	t.Helper()
	newest, _, err := checkpoints.Folder{Dir: filepath.Join(dir, "checkpoints")}.Newest(func(err error) { t.Log(err) })
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(newest.Meta[train.ProgressKey]), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func read(t *testing.T, dir, name string) *checkpoints.File {
	t.Helper()
	f, err := checkpoints.Read(filepath.Join(dir, "checkpoints", name))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// batches returns the number of batches in the log of a run.
func batches(dir string) (n int) {
	text, _ := os.ReadFile(filepath.Join(dir, "log.jsonl"))
	for line := range strings.Lines(string(text)) {
		var r train.Record
		if json.Unmarshal([]byte(line), &r) == nil {
			n = max(n, r.Batches)
		}
	}
	return n
}

// interrupt runs the program on a folder and sends it a signal after this many batches, within an epoch.
// On a busy machine the signal may be late; then it tries again from the beginning.
func interrupt(t *testing.T, dir string, signal syscall.Signal, after int, args ...string) train.Progress {
	t.Helper()
	for range 50 {
		cmd := exec.Command(program, args...)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		if !patience.For(func() bool { return batches(dir) >= after || len(ended) > 0 }) {
			_ = cmd.Process.Kill()
			t.Fatalf("%v: never at batch %d\n%s", args, after, errs.String())
		}
		_ = cmd.Process.Signal(signal) // it may have ended already
		<-ended
		switch code := cmd.ProcessState.ExitCode(); {
		case code == 0:
		case code == -1 && signal == syscall.SIGKILL, code == 143 && signal == syscall.SIGTERM:
			if p := progressOf(t, dir); p.Step > 0 {
				t.Logf("%v in epoch %d after batch %d", signal, p.Epoch+1, p.Step)
				return p
			}
		default:
			t.Fatalf("%v after %v: exit code %d\n%s", args, signal, code, errs.String())
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("%v: never within an epoch at the time of the signal", args)
	return train.Progress{}
}

// same checks that two runs ended alike: all tensors of their checkpoints (weights, averages, moments),
// their progress, and the scores of all epochs.
func same(t *testing.T, dir, whole string) {
	t.Helper()
	names := func(dir string) (names []string) {
		paths, err := filepath.Glob(filepath.Join(dir, "checkpoints", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range paths {
			names = append(names, filepath.Base(p))
		}
		return names
	}
	if a, b := names(dir), names(whole); !slices.Equal(a, b) {
		t.Errorf("checkpoints %v, want %v", a, b)
	}
	for _, name := range names(whole) {
		if name == checkpoints.Previous { // it has a different step, if one run was interrupted
			continue
		}
		a, b := read(t, dir, name), read(t, whole, name)
		if len(a.Tensors) != len(b.Tensors) {
			t.Errorf("%s has %d tensors, want %d", name, len(a.Tensors), len(b.Tensors))
			continue
		}
		for i, x := range a.Tensors {
			y := b.Tensors[i]
			if x.Name != y.Name || !slices.Equal(x.F32, y.F32) || !slices.Equal(x.I64, y.I64) {
				t.Errorf("%s: tensor %s differs", name, x.Name)
				break
			}
		}
		if a, b := a.Meta[train.ProgressKey], b.Meta[train.ProgressKey]; a != b {
			t.Errorf("%s: progress %s, want %s", name, a, b)
		}
	}
	if a, b := scores(t, dir), scores(t, whole); !slices.EqualFunc(a, b, slices.Equal) {
		t.Errorf("summary %v, want %v", a, b)
	}
}

// scores returns the columns of a summary that do not depend on the machine: epoch, training loss,
// loss, top-1 and top-5 of the validation, learning rate.
func scores(t *testing.T, dir string) (rows [][]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "summary.csv"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for line := range strings.Lines(strings.TrimSpace(string(text))) {
		columns := strings.Split(line, ",")
		rows = append(rows, columns[:min(len(columns), 6)])
	}
	return rows
}

// losses returns the losses of all steps in the log of a run, as text.
func losses(t *testing.T, dir string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "log.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var r train.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprint(r.Kind, r.Batches, r.Loss, r.LR))
	}
	return all
}
