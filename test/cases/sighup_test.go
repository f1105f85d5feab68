//go:build unix

package cases

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fasternet/internal/patience"
)

// longRun makes a data set whose list names its images many times, and the arguments of a run that does not end
// by itself before a test stops it.
func longRun(t *testing.T, settings ...string) (folder, []string) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog", "fox"}, 8, 4)
	f.config("t.yaml", tinyFasterNet)
	var long, val strings.Builder
	for label, class := range []string{"cat", "dog", "fox"} {
		fmt.Fprintf(&val, "val/%s/000.png %d\n", class, label)
	}
	for range 200 {
		for label, class := range []string{"cat", "dog", "fox"} {
			for i := range 8 {
				fmt.Fprintf(&long, "train/%s/%03d.png %d\n", class, i, label)
			}
		}
	}
	f.write("base/long.txt", []byte(long.String()))
	f.write("base/v.txt", []byte(val.String()))
	args := []string{"train", "t.yaml", "--run", "run"}
	for _, s := range append([]string{
		"data.name=annotations", "data.train=long.txt", "data.val=v.txt", "train.epochs=100000",
	},
		settings...) {
		args = append(args, "--set", s)
	}
	return f, args
}

// started is a running program; its output goes to a file.
type started struct {
	f   folder
	cmd *exec.Cmd
	log string // file

	hung func() bool
}

// start starts a program in the folder.
func (f folder) start(name string, args ...string) started {
	f.t.Helper()
	s := started{f: f, cmd: exec.Command(name, args...), log: "output.txt"}
	out, err := os.Create(f.file(s.log))
	if err != nil {
		f.t.Fatal(err)
	}
	defer out.Close()
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = f.path, out, out
	if err := s.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	s.hung = patience.Watch(s.cmd)
	f.t.Cleanup(func() { s.hung() })
	return s
}

// gets sends signals to it.
func (s started) gets(signals ...syscall.Signal) started {
	s.f.t.Helper()
	for _, signal := range signals {
		if err := s.cmd.Process.Signal(signal); err != nil {
			s.f.t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond) // keep the order of the signals
	}
	return s
}

// ends waits for its end, and returns its exit code and its output.
func (s started) ends() outcome {
	s.f.t.Helper()
	var exit *exec.ExitError
	if err := s.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		s.f.t.Fatal(err)
	}
	o := outcome{t: s.f.t, args: s.cmd.Args, code: s.cmd.ProcessState.ExitCode()}
	if s.log != "" {
		o.stderr = string(s.f.read(s.log))
	}
	if s.hung != nil && s.hung() {
		s.f.t.Fatalf("%v hangs\n%s", o.args, o.stderr)
	}
	return o
}

// awaits waits until a file has a text.
func (f folder) awaits(name, text string) {
	f.t.Helper()
	patience.Until(f.t, fmt.Sprintf("%s has %q", name, text), func() bool {
		b, _ := os.ReadFile(f.file(name))
		return strings.Contains(string(b), text)
	})
}

// An ssh connection or a terminal that closes sends SIGHUP. It ends a run like SIGTERM, with a
// checkpoint. It often comes twice, or with SIGTERM.
func TestHangUp(t *testing.T) {
	for _, c := range []struct {
		name    string
		signals []syscall.Signal
		codes   []int // the kernel may change the order of pending signals
	}{
		{"HUP", []syscall.Signal{syscall.SIGHUP}, []int{129}},
		{"HUP twice and TERM", []syscall.Signal{syscall.SIGHUP, syscall.SIGHUP, syscall.SIGTERM}, []int{129, 143}},
		{"TERM and HUP", []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP}, []int{143, 129}},
		{"INT", []syscall.Signal{syscall.SIGINT}, []int{130}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, args := longRun(t)
			p := f.start(program, args...)
			f.awaits("run/log.jsonl", `"step":50`)
			o := p.gets(c.signals...).ends().says("continue with --resume")
			if !slices.Contains(c.codes, o.code) {
				t.Fatalf("exit code %d, want one of %v\n%s", o.code, c.codes, o.stderr)
			}
			f.read("run/checkpoints/last.safetensors")
			f.run("train", "--resume", "--run", "run", "--set", "train.epochs=1").exits(0).
				says("resuming run/checkpoints/last.safetensors", "setting train.epochs: now 1, before 100000").
				hides("warning")
		})
	}
}

// nohup ignores SIGHUP: the run goes on.
func TestNohup(t *testing.T) {
	f, args := longRun(t)
	p := f.start("sh", append([]string{"-c", `trap "" HUP; exec "$0" "$@"`, program}, args...)...)
	f.awaits("run/log.jsonl", `"step":50`)
	p.gets(syscall.SIGHUP)
	f.awaits("run/log.jsonl", `"step":400`)
	p.gets(syscall.SIGTERM).ends().exits(143)
}

// A reader of the output that ends, like head, ends a run with a checkpoint, and other commands without
// a message.
func TestBrokenPipe(t *testing.T) {
	f, args := longRun(t)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = f.path, write, write
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	lines := bufio.NewReader(read)
	for range 5 {
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	read.Close()
	started{f: f, cmd: cmd}.ends().exits(141)
	f.read("run/checkpoints/last.safetensors")
	f.run("train", "--resume", "--run", "run", "--set", "train.epochs=1").exits(0).says("resuming ")

	shell := exec.Command("bash", "-c",
		`"$0" predict base/val --model run --topk 1 --format csv | head -1; echo "${PIPESTATUS[0]}"`, program)
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip(err)
	}
	var errs bytes.Buffer
	shell.Dir, shell.Stderr = f.path, &errs
	out, err := shell.Output()
	// The output may be complete before head ends.
	if err != nil ||
		errs.Len() > 0 && strings.Contains(errs.String(), "pipe") ||
		string(out) != "file,rank,index,label,prob\n141\n" && string(out) != "file,rank,index,label,prob\n0\n" {
		t.Errorf("%v\n%s%s", err, out, errs.String())
	}
}

// With accumulation, a signal does not wait for the rest of the batches of the step.
func TestSignalWithinStep(t *testing.T) {
	// The only step of an epoch has 4800 large images.
	f, args := longRun(t, "train.accum_steps=10000", "train.batch_size=1", "data.image_size=512")
	p := f.start(program, args...)
	f.awaits("run/launches.jsonl", "begin")
	p.gets(syscall.SIGTERM).ends().exits(143).says("stopped before the first step")
}

// SIGTERM works at any moment, even while the program starts: it ends at once, and the run can be
// resumed.
func TestSignalAtTheStart(t *testing.T) {
	f, args := longRun(t)
	for _, wait := range []time.Duration{0, 5, 15, 30, 60} {
		p := f.start(program, append(args, "--resume")...)
		time.Sleep(wait * time.Millisecond)
		// -1: the signal came before the program could handle it.
		o := p.gets(syscall.SIGTERM).ends().hides("panic", "goroutine", "internal error")
		if o.code != 143 && o.code != -1 {
			t.Errorf("after %d ms: exit code %d\n%s", wait, o.code, o.stderr)
		}
	}
	f.run(append(args, "--resume", "--set", "train.epochs=1")...).exits(0)
}

// Every command that may take long ends soon after a signal, with the code of the signal; serving a page
// ends only this way.
func TestCommandsStop(t *testing.T) {
	f, args := longRun(t, "train.epochs=1")
	f.run(args...).exits(0)
	for _, c := range []struct {
		name  string
		args  []string
		after string // send the signal after this output
		code  int
	}{
		{
			"eval",
			[]string{"eval", "--model", "run", "--split", "train", "--size", "512", "--batch", "1", "--threads", "1"},
			"evaluating", 129,
		},
		{"lr-find", append([]string{"lr-find", "--steps", "100000"}, append(args[1:2:2], args[4:]...)...),
			"parameters", 129},
		{"report --serve", []string{"report", "run", "--serve", "127.0.0.1:0"}, "http://", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := f.start(program, c.args...)
			f.awaits(p.log, c.after)
			p.gets(syscall.SIGHUP).ends().exits(c.code)
		})
	}
}
