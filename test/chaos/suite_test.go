//go:build unix

package chaos

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"fasternet/internal/ramdisk"
)

// budget is the time for everything; without it, a few faults of each kind are tried.
var budget = flag.Duration("chaos", 0, "try all faults, for so long at most")

// all reports whether to try everything.
func all() bool { return *budget > 0 }

var suite struct {
	dir      string // for the files of this package
	program  string
	args     []string // arguments of the program, without the folder of the run
	whole    *run     // undisturbed
	took     time.Duration
	deadline time.Time
	counts   counts
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(try(m))
}

func try(m *testing.M) int {
	where := ramdisk.Make
	if all() { // use a disk
		where = func() (string, error) { return os.MkdirTemp("", "chaos") }
	}
	dir, err := where()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	programs, err := os.MkdirTemp("", "chaos-program") // not in memory, where programs may not be allowed to run
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(programs)
	suite.dir, suite.program = dir, filepath.Join(programs, "fasternet-train")
	suite.deadline = time.Now().Add(*budget)
	if err := prepare(); err != nil {
		fmt.Println(err)
		return 1
	}
	code := m.Run()
	if all() || testing.Verbose() {
		suite.counts.print()
	}
	return code
}

const config = `
model:
  {embed_dim: 8, depths: [1, 1], feature_dim: 16, patch_size: 2, patch_stride: 2, in_chans: 1,
   drop_path_rate: 0.2, init_std: 0.1}
data: {name: fashion-mnist, image_size: 32, mean: [0.3], std: [0.3], workers: 2}
augment: {mixup: 0.2, cutmix: 1, mixup_prob: 0.5, padding: 1}
optim: {lr: 0.01}
sched: {form: localmim, warmup_epochs: 1, min_lr: 0}
train: {epochs: 3, batch_size: 8, val_batch_size: 20, log_interval: 3}
checkpoint: {every_steps: 2, top_k: 1}
threads: 1
`

// every is checkpoint.every_steps. It does not divide the steps of an epoch.
const every = 2

// prepare builds the program with its fail points, makes a data set of noise, and trains undisturbed.
func prepare() error {
	cmd := exec.Command("go", "build", "-tags", "faults", "-o", suite.program, "../../cmd/fasternet-train")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
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
	if err := write("tiny.yaml", []byte(config)); err != nil {
		return err
	}
	suite.args = []string{
		"train", filepath.Join(suite.dir, "tiny.yaml"), "--data", filepath.Join(suite.dir, "data"), "--resume",
		"--run",
	}
	suite.whole = &run{dir: filepath.Join(suite.dir, "whole")}
	start := time.Now()
	if err := suite.whole.finish(); err != nil {
		return err
	}
	suite.took = time.Since(start)
	return nil
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

// counts says how often a fault was tried and survived.
type counts struct {
	mu   sync.Mutex
	rows []*row
}

type row struct {
	fault           string
	tried, survived int
	note            string
}

func (c *counts) row(fault string) *row {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.rows, func(r *row) bool { return r.fault == fault })
	if i < 0 {
		i = len(c.rows)
		c.rows = append(c.rows, &row{fault: fault})
	}
	return c.rows[i]
}

func (c *counts) print() {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nfault\ttried\tsurvived\t")
	var tried, survived int
	for _, r := range c.rows {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\n", r.fault, r.tried, r.survived, r.note)
		tried += r.tried
		survived += r.survived
	}
	fmt.Fprintf(w, "all\t%d\t%d\t\n", tried, survived)
	_ = w.Flush()
}

// trials tries a fault n times, two at a time, until the time is over. A trial returns the number of
// faults that it tried.
func trials(t *testing.T, fault string, n int, trial func(i int, r *run) (tried int, err error)) {
	t.Helper()
	row := suite.counts.row(fault)
	next := make(chan int)
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for i := range next {
				r := &run{
					dir: filepath.Join(suite.dir, fmt.Sprintf("%s %d", strings.ReplaceAll(fault, "/", " "), i), "run"),
				}
				tried, err := trial(i, r)
				suite.counts.mu.Lock()
				row.tried += tried
				if err == nil {
					row.survived += tried
				}
				suite.counts.mu.Unlock()
				if err != nil {
					t.Errorf("%s, trial %d: %v", fault, i, err)
				}
				os.RemoveAll(filepath.Dir(r.dir))
			}
		})
	}
	for i := range n {
		if all() && time.Now().After(suite.deadline) {
			row.note = fmt.Sprintf("the time was over after %d of %d", i, n)
			t.Errorf("%s: %s", fault, row.note)
			break
		}
		next <- i
	}
	close(next)
	workers.Wait()
}

// skip prints that a fault was not tried.
func skip(t *testing.T, fault, format string, args ...any) {
	t.Helper()
	row := suite.counts.row(fault)
	row.note = "NOT TRIED: " + fmt.Sprintf(format, args...)
	t.Skip(row.note)
}
