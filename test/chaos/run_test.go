//go:build unix

package chaos

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

	"fasternet/checkpoints"
	"fasternet/internal/patience"
	"fasternet/train"
)

// run is a run of the program in a folder.
type run struct {
	dir     string
	damaged bool // checkpoints were damaged on purpose, and will be put aside
}

// end is how the program ended.
type end struct {
	code   int // -1 after a signal
	stderr string
	stdout string
}

// command runs the program on the folder, with more in the environment.
func (r *run) command(env ...string) *exec.Cmd {
	cmd := exec.Command(suite.program, append(slices.Clone(suite.args), r.dir)...)
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

// wait runs a command to its end.
func wait(cmd *exec.Cmd, during func()) (end, error) {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		return end{}, err
	}
	hung := patience.Watch(cmd)
	if during != nil {
		during()
	}
	err := cmd.Wait()
	if hung() {
		return end{}, fmt.Errorf("the program hangs\n%s", errs.String())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return end{}, err
	}
	e := end{code: cmd.ProcessState.ExitCode(), stdout: out.String(), stderr: errs.String()}
	if strings.Contains(e.stderr, "goroutine ") || strings.Contains(e.stderr, "internal error") {
		return e, fmt.Errorf("a stack trace or an internal error\n%s", e.stderr)
	}
	return e, nil
}

// failed checks that the program ended with one clear line.
func (e end) failed(want string) error {
	lines := strings.Split(strings.TrimSpace(e.stderr), "\n")
	last := lines[len(lines)-1]
	if e.code != 1 || !strings.HasPrefix(last, "fasternet-train: ") || !strings.Contains(last, want) {
		return fmt.Errorf("exit code %d, want 1 and a line with %q\n%s", e.code, want, e.stderr)
	}
	return nil
}

// finish resumes the run to its end.
func (r *run) finish() error {
	e, err := wait(r.command(), nil)
	if err == nil && e.code != 0 {
		err = fmt.Errorf("resumed: exit code %d\n%s", e.code, e.stderr)
	}
	return err
}

// survives checks that nothing was lost, resumes the run, and compares it with the undisturbed one.
func (r *run) survives() error {
	if err := r.intact(); err != nil {
		return err
	}
	if err := r.finish(); err != nil {
		return err
	}
	return r.same()
}

// intact checks that every checkpoint file is complete. A checkpoint was due at certain batches before the
// last record of the log: the newest file may miss the last of them, whose writing may not have ended, but
// no more.
func (r *run) intact() error {
	if r.damaged {
		return nil
	}
	paths, err := filepath.Glob(filepath.Join(r.dir, "checkpoints", "*.safetensors"))
	if err != nil {
		return err
	}
	newest := 0
	for _, path := range paths {
		f, err := checkpoints.Read(path)
		if err != nil {
			return err
		}
		var p struct{ Batches int }
		if err := json.Unmarshal([]byte(f.Meta["progress"]), &p); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		newest = max(newest, p.Batches)
	}
	if due := (r.batches()-1)/every*every - every; newest < due {
		return fmt.Errorf("batch %d was done, the newest checkpoint is of batch %d", r.batches(), newest)
	}
	return nil
}

// batches returns the number of batches in the log.
func (r *run) batches() int {
	n := 0
	for _, record := range r.log() {
		n = max(n, record.Batches)
	}
	return n
}

// record has the fields of a record other than times.
type record struct {
	Kind                 string
	Epoch, Step, Batches int
	Loss, LR             float64
	GradNorm             float64 `json:"grad_norm"`
	Top1, Top5           float64
	EvalLoss             float64 `json:"eval_loss"`
}

// begun waits until the run has a log, with at least so many batches.
func (r *run) begun(batches int) error {
	if !patience.For(func() bool { return len(r.log()) > 0 && r.batches() >= batches }) {
		return fmt.Errorf("the run does not come to batch %d", batches)
	}
	return nil
}

func (r *run) log() []record {
	text, _ := os.ReadFile(filepath.Join(r.dir, "log.jsonl"))
	var all []record
	for line := range strings.Lines(string(text)) {
		var v record
		if json.Unmarshal([]byte(line), &v) == nil {
			all = append(all, v)
		}
	}
	return all
}

// same compares the finished run with the undisturbed one: the names of all files, the bytes of the
// checkpoints and the summary, and the log without times.
func (r *run) same() error {
	want, err := files(suite.whole.dir)
	if err != nil {
		return err
	}
	got, err := files(r.dir)
	if err != nil {
		return err
	}
	if r.damaged {
		got = slices.DeleteFunc(got, func(n string) bool { return strings.HasSuffix(n, ".damaged") })
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("the files are %v, want %v", got, want)
	}
	for _, name := range want {
		a, err := os.ReadFile(filepath.Join(r.dir, name))
		if err != nil {
			return err
		}
		b, err := os.ReadFile(filepath.Join(suite.whole.dir, name))
		if err != nil {
			return err
		}
		if name == "summary.csv" {
			a, b = scores(a), scores(b)
		}
		compared := name == "summary.csv" ||
			name == "config.yaml" ||
			strings.HasSuffix(name, ".safetensors") && !strings.HasSuffix(name, checkpoints.Previous)
		if compared && !bytes.Equal(a, b) {
			return fmt.Errorf("%s differs", name)
		}
	}
	if _, err := checkpoints.Read(filepath.Join(r.dir, "checkpoints", checkpoints.Previous)); err != nil {
		return err
	}
	if a, b := r.log(), suite.whole.log(); !slices.Equal(a, b) {
		return fmt.Errorf("the log has the records %v, want %v", a, b)
	}
	return nil
}

// scores returns the columns of a summary that do not depend on the machine.
func scores(summary []byte) []byte {
	var kept []byte
	var header []string
	for line := range strings.Lines(string(summary)) {
		columns := strings.Split(strings.TrimSuffix(line, "\n"), ",")
		if header == nil {
			header = columns
		}
		for i, column := range columns {
			if i < len(header) && slices.Contains([]string{"img_per_s", "data_s", "memory_mb"}, header[i]) {
				continue
			}
			kept = append(append(kept, column...), ',')
		}
		kept = append(kept, '\n')
	}
	return kept
}

// files returns the names of all files in a folder and below it, without event files, which every
// process has for itself.
func files(dir string) ([]string, error) {
	var names []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasPrefix(path, train.TensorBoardFolder+"/") {
			names = append(names, path)
		}
		return err
	})
	return names, err
}
