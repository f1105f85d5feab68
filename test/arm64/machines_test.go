package arm64

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/kernels"
	"fasternet/train"
)

var (
	qemu      = flag.String("qemu", "", "`path` of qemu-aarch64-static")
	processor = flag.String("processor", "max", "that it emulates")
	variant   = flag.String("kernels", "", "kernels of arm64; empty for the best")
)

// machine runs the program: this machine, or the emulated one.
type machine struct {
	name    string
	command []string
	kernels string // "" for the best kernels
}

var here, arm machine

func TestMain(m *testing.M) { os.Exit(build(m)) }

// build builds both programs.
func build(m *testing.M) int {
	flag.Parse()
	if *qemu == "" {
		return m.Run() // skips all tests
	}
	dir, err := os.MkdirTemp("", "fasternet-train") // not in memory, where programs may not be allowed to run
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	here = machine{"this machine", []string{filepath.Join(dir, "here")}, ""}
	arm = machine{"arm64", []string{*qemu, "-cpu", *processor, filepath.Join(dir, "arm64")}, *variant}
	for _, b := range []struct {
		path string
		env  []string
	}{{here.command[0], nil}, {arm.command[3], []string{"GOOS=linux", "GOARCH=arm64"}}} {
		cmd := exec.Command("go", "build", "-o", b.path, "../../cmd/fasternet-train")
		cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), b.env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Printf("%v\n%s", err, out)
			return 1
		}
	}
	return m.Run()
}

func emulated(t *testing.T) {
	t.Helper()
	if *qemu == "" {
		t.Skip("NOT TESTED HERE: needs an emulator; scripts/test-arm64.sh has one")
	}
}

// run runs the program, and returns the output of both streams.
func (m machine) run(t *testing.T, code int, args ...string) string {
	t.Helper()
	cmd := exec.Command(m.command[0], slices.Concat(m.command[1:], args)...)
	cmd.Env = m.environment()
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("%s: %v: exit code %d, want %d\n%s", m.name, args, got, code, said.String())
	}
	return said.String()
}

// environment returns the environment of this test. Its variables for kernels apply only to this machine.
func (m machine) environment() (all []string) {
	for _, v := range os.Environ() {
		if m.name == here.name ||
			!strings.HasPrefix(v, kernels.EnvVariable+"=") && !strings.HasPrefix(v, kernels.BF16Variable+"=") {
			all = append(all, v)
		}
	}
	if m.kernels != "" {
		all = append(all, kernels.EnvVariable+"="+m.kernels)
	}
	return all
}

// losses returns the loss of every step in the log of a run.
func losses(t *testing.T, run string) (all []float64) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(run, train.LogFile))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var r train.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.Kind == train.StepRecord {
			all = append(all, r.Loss)
		}
	}
	return all
}
