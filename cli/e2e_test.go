package cli

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/internal/patience"
)

// The tests of this package run the built program.
var program string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "fasternet-train")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "fasternet-train")
	cmd := exec.Command("go", "build", "-o", program, "../cmd/fasternet-train")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Printf("%v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// result has the output and the exit code of a run of the program.
type result struct {
	stdout, stderr string
	code           int
}

func command(args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(filepath.Dir(program), "no-cache"))
	return cmd
}

func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

func invoke(t *testing.T, args ...string) result {
	t.Helper()
	return finish(t, command(args...))
}

// succeed runs the program and returns the JSON object on the last line of standard output.
func succeed(t *testing.T, args ...string) map[string]any {
	t.Helper()
	r := invoke(t, args...)
	if r.code != 0 {
		t.Fatalf("%v: exit code %d\n%s", args, r.code, r.stderr)
	}
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	var v map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &v); err != nil {
		t.Fatalf("%v: the last line is not a JSON object: %v\n%s", args, err, r.stdout)
	}
	return v
}

// fail runs the program and checks that it ends with one clear line.
func fail(t *testing.T, code int, want string, args ...string) {
	t.Helper()
	r := invoke(t, args...)
	lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
	last := lines[len(lines)-1]
	switch {
	case r.code != code:
		t.Errorf("%v: exit code %d, want %d\n%s", args, r.code, code, r.stderr)
	case !strings.HasPrefix(last, "fasternet-train: ") || !strings.Contains(last, want):
		t.Errorf("%v: the error is %q, want something with %q", args, last, want)
	case strings.Contains(r.stderr, "goroutine ") || strings.Contains(r.stderr, "panic"):
		t.Errorf("%v: a stack trace\n%s", args, r.stderr)
	case len(lines) > 4:
		t.Errorf("%v: %d lines of messages\n%s", args, len(lines), r.stderr)
	}
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// idx returns the content of an IDX file of bytes.
func idx(data []byte, dims ...int) []byte {
	out := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		out = binary.BigEndian.AppendUint32(out, uint32(d))
	}
	return append(out, data...)
}

// fashion makes an easy data set in the format of Fashion-MNIST: the class is the brightness and the direction of
// stripes.
func fashion(t *testing.T, train, test int) string {
	t.Helper()
	dir := t.TempDir()
	for _, c := range []struct {
		name string
		n    int
	}{{"train", train}, {"t10k", test}} {
		images, labels := make([]byte, c.n*28*28), make([]byte, c.n)
		for i := range c.n {
			class := i * 7 % 10
			labels[i] = byte(class)
			for p := range 784 {
				at := p % 28 // across the stripes
				if class >= 5 {
					at = p / 28
				}
				if (at+i)%4 < 2 {
					images[i*784+p] = byte(50 + 45*(class%5) + (p+i)%7)
				}
			}
		}
		writeFile(t, filepath.Join(dir, c.name+"-images-idx3-ubyte"), idx(images, c.n, 28, 28))
		writeFile(t, filepath.Join(dir, c.name+"-labels-idx1-ubyte"), idx(labels, c.n))
	}
	return dir
}

const tiny = `
model:
  {embed_dim: 8, depths: [1, 1], feature_dim: 16, patch_size: 2, patch_stride: 2, in_chans: 1,
   drop_path_rate: 0.2, init_std: 0.1}
` + tinyRecipe

// tinyRecipe is all but the model.
const tinyRecipe = `
data: {name: fashion-mnist, image_size: 32, mean: [0.3], std: [0.3]}
augment:
  {mixup: 0.2, cutmix: 1, mixup_prob: 0.5, mixup_mode: elem, mixup_off_epoch: 2, padding: 1,
   rand_augment: rand-m3-mstd0.5-inc1, erasing: {prob: 0.25, mode: pixel}, repeats: 2}
optim: {lr: 0.01}
sched: {form: localmim, warmup_epochs: 1, min_lr: 0}
train: {epochs: 3, batch_size: 8, accum_steps: 2, val_batch_size: 30, log_interval: 4}
checkpoint: {every_steps: 1, top_k: 2}
`

// tinyRun writes a config for a small run and returns the arguments that train it.
func tinyRun(t *testing.T, data string) (dir string, args []string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "run")
	config := filepath.Join(t.TempDir(), "tiny.yaml")
	writeFile(t, config, []byte(tiny))
	return dir, []string{"train", config, "--data", data, "--run", dir}
}

func readLast(t *testing.T, dir string) *checkpoints.File {
	t.Helper()
	f, err := checkpoints.Read(filepath.Join(dir, "checkpoints", checkpoints.Last))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// sameWeights compares all tensors of two checkpoints, bit for bit.
func sameWeights(t *testing.T, a, b *checkpoints.File) {
	t.Helper()
	if len(a.Tensors) != len(b.Tensors) {
		t.Fatalf("%d and %d tensors", len(a.Tensors), len(b.Tensors))
	}
	for i, x := range a.Tensors {
		if y := b.Tensors[i]; fmt.Sprint(x) != fmt.Sprint(y) {
			t.Errorf("tensor %s differs", x.Name)
		}
	}
	if a.Meta["progress"] != b.Meta["progress"] {
		t.Errorf("progress %s and %s", a.Meta["progress"], b.Meta["progress"])
	}
}

// waitForStep waits until the log of a run has a record of that batch.
func waitForStep(t *testing.T, dir string, batch int) {
	t.Helper()
	patience.Until(t, fmt.Sprintf("the run in %s comes to batch %d", dir, batch), func() bool {
		log, _ := os.ReadFile(filepath.Join(dir, "log.jsonl"))
		for _, line := range strings.Split(string(log), "\n") {
			var r struct{ Batches int }
			if json.Unmarshal([]byte(line), &r) == nil && r.Batches >= batch {
				return true
			}
		}
		return false
	})
}
