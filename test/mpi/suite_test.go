//go:build unix

package mpi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fasternet/internal/patience"
)

// The paths of the launchers; "" for a launcher that does not exist.
var (
	openMPI = flag.String("openmpi", "", "mpirun of Open MPI")
	mpich   = flag.String("mpich", "", "mpirun of MPICH")
)

var suite struct {
	dir     string
	program string // fasternet-train with MPI
	ranks   string // the tests of collective/mpi
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(try(m))
}

func try(m *testing.M) int {
	if *openMPI == "" && *mpich == "" {
		return m.Run() // all tests skip
	}
	var err error
	if suite.dir, err = os.MkdirTemp("", "mpi"); err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(suite.dir)
	if err := prepare(); err != nil {
		fmt.Println(err)
		return 1
	}
	return m.Run()
}

// config trains for many short steps.
const config = `
model:
  {embed_dim: 8, depths: [1, 1], feature_dim: 16, patch_size: 2, patch_stride: 2, in_chans: 1,
   drop_path_rate: 0.2, init_std: 0.1}
data: {name: fashion-mnist, image_size: 32, mean: [0.3], std: [0.3], workers: 1}
optim: {lr: 0.01}
sched: {warmup_epochs: 0}
train: {epochs: 3, batch_size: 8, val_batch_size: 20, log_interval: 1}
checkpoint: {every_steps: 2}
threads: 1
`

func prepare() error {
	suite.program = filepath.Join(suite.dir, "fasternet-train")
	suite.ranks = filepath.Join(suite.dir, "ranks.test")
	for _, args := range [][]string{
		{"build", "-tags", "mpi", "-o", suite.program, "../../cmd/fasternet-train"},
		{"test", "-c", "-tags", "mpi", "-o", suite.ranks, "../../collective/mpi"},
	} {
		cmd := exec.Command("go", args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name string
		n    int
	}{{"train", 64}, {"t10k", 20}} {
		images, labels := make([]byte, c.n*28*28), make([]byte, c.n)
		for i := range images {
			images[i] = byte(r.Uint32())
		}
		for i := range labels {
			labels[i] = byte(i % 10)
		}
		err := write("data/"+c.name+"-images-idx3-ubyte", idx(images, c.n, 28, 28))
		if err == nil {
			err = write("data/"+c.name+"-labels-idx1-ubyte", idx(labels, c.n))
		}
		if err != nil {
			return err
		}
	}
	return write("tiny.yaml", []byte(config))
}

func write(name string, content []byte) error {
	path := filepath.Join(suite.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}

func idx(data []byte, dims ...int) []byte {
	out := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		out = binary.BigEndian.AppendUint32(out, uint32(d))
	}
	return append(out, data...)
}

// launcher is one kind of mpirun.
type launcher struct {
	name string
	args []string
}

// each runs a test with every launcher that there is.
func each(t *testing.T, f func(*testing.T, launcher)) {
	t.Helper()
	all := []launcher{
		// Runs all ranks on this machine, more of them than processors.
		{"Open MPI",
			[]string{
				*openMPI, "--allow-run-as-root", "--oversubscribe", "--mca", "btl", "self,vader", "--mca",
				"oob_tcp_if_include", "lo",
			}},
		{"MPICH", []string{*mpich, "-launcher", "fork", "-iface", "lo"}},
	}
	if _, err := exec.LookPath("ssh"); err != nil { // Open MPI 4 needs it even for local ranks
		all[0].args = append(all[0].args, "--mca", "plm", "isolated")
	}
	for _, l := range all {
		t.Run(l.name, func(t *testing.T) {
			if l.args[0] == "" {
				t.Skip("there is none: scripts/test-mpi.sh")
			}
			t.Parallel() // it mostly waits
			f(t, l)
		})
	}
}

// end is how a job ended.
type end struct {
	code int
	text string // from both outputs
	took time.Duration
}

// job is a group of running ranks.
type job struct {
	cmd   *exec.Cmd
	out   output
	began time.Time
}

// output is the output of a job; it can be read while the job goes on.
type output struct {
	lock chan struct{}
	b    bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.lock <- struct{}{}
	defer func() { <-o.lock }()
	return o.b.Write(b)
}

func (o *output) String() string {
	o.lock <- struct{}{}
	defer func() { <-o.lock }()
	return o.b.String()
}

// start starts n ranks of a program.
func (l launcher) start(t *testing.T, n int, env []string, program string, args ...string) *job {
	t.Helper()
	all := slices.Concat(l.args[1:], []string{"-n", fmt.Sprint(n), program}, args)
	j := &job{cmd: exec.Command(l.args[0], all...), began: time.Now()}
	j.out.lock = make(chan struct{}, 1)
	j.cmd.Env = append(os.Environ(), env...)
	j.cmd.Dir = suite.dir
	j.cmd.Stdout, j.cmd.Stderr = &j.out, &j.out
	if err := j.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return j
}

func (j *job) wait(t *testing.T) end {
	t.Helper()
	hung := patience.Watch(j.cmd)
	err := j.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	e := end{j.cmd.ProcessState.ExitCode(), j.out.String(), time.Since(j.began)}
	if hung() {
		t.Fatalf("the job hangs\n%s", e.text)
	}
	return e
}

// saw waits for a line in the output of a job.
func (j *job) saw(t *testing.T, text string) {
	t.Helper()
	if !patience.For(func() bool { return strings.Contains(j.out.String(), text) }) {
		_ = j.cmd.Process.Kill()
		t.Fatalf("no %q in\n%s", text, j.out.String())
	}
}

// reported waits until all ranks have told each other where they are, which they do several times a second:
// they have worked for a second, and after it they have made a step together.
func (j *job) reported(t *testing.T) {
	t.Helper()
	time.Sleep(time.Second)
	said := strings.Count(j.out.String(), " step ")
	patience.Until(t, "the job makes another step", func() bool {
		return strings.Count(j.out.String(), " step ") > said+1 // the first one may have been made before
	})
}

// failed checks that the job failed with one line of the program that contains all of want.
func (e end) failed(t *testing.T, prefix string, want ...string) {
	t.Helper()
	var lines []string
	for _, line := range strings.Split(e.text, "\n") {
		if strings.HasPrefix(line, prefix) {
			lines = append(lines, line)
		}
	}
	if e.code == 0 || len(lines) != 1 {
		t.Errorf("exit code %d and %d lines that begin with %q\n%s", e.code, len(lines), prefix, e.text)
		return
	}
	for _, w := range want {
		if !strings.Contains(lines[0], w) {
			t.Errorf("%q does not say %q", lines[0], w)
		}
	}
	t.Logf("after %v: %s", e.took.Round(100*time.Millisecond), lines[0])
}

// died checks that the job failed because a rank was killed, and says so. The launcher of MPICH may be
// quicker than the other ranks: then it kills them, and names the host.
func (e end) died(t *testing.T, prefix string, rank int, host string) {
	t.Helper()
	if strings.Contains(e.text, "RUNNING AT "+host) && !strings.Contains(e.text, "has died") && e.code != 0 {
		t.Logf("after %v: the launcher alone", e.took.Round(100*time.Millisecond))
		return
	}
	e.failed(t, prefix, fmt.Sprintf("rank %d on %s: has died", rank, host))
}
