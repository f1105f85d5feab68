package arm64

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Checks the output of version.
func TestVersion(t *testing.T) {
	emulated(t)
	said := arm.run(t, 0, "version")
	for _, want := range []string{"linux/arm64", "(ASIMD", "kernels: " + arm.kernels} {
		if !strings.Contains(said, want) {
			t.Errorf("version does not say %q:\n%s", want, said)
		}
	}
	want := map[string]string{"max": "BF16", "neoverse-n1": "processor: Neoverse N1 (ASIMD FP16 ASIMDDP), "}[*processor]
	if !strings.Contains(said, want) {
		t.Errorf("version does not say %q of %s:\n%s", want, *processor, said)
	}
}

const steps = 20

// quickstart prepares the preset on a data set of the same form, made of noise around a pattern for
// each class, for 20 steps. Batches are smaller, because emulation is slow.
func quickstart(t *testing.T) (dir string, args []string) {
	t.Helper()
	const batch, val = 16, 20
	dir = t.TempDir()
	for _, part := range []struct {
		name string
		n    int
	}{{"train", steps * batch}, {"t10k", val}} {
		r := rand.New(rand.NewPCG(5, uint64(part.n)))
		images := binary.BigEndian.AppendUint32([]byte{0, 0, 8, 3}, uint32(part.n))
		images = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(images, 28), 28)
		labels := binary.BigEndian.AppendUint32([]byte{0, 0, 8, 1}, uint32(part.n))
		for i := range part.n {
			class := i % 10
			labels = append(labels, byte(class))
			for y := range 28 {
				for x := range 28 {
					pattern := 110 + 80*math.Sin(float64(x*(1+class%4)+y*(class/4))/4)
					images = append(images, byte(min(max(pattern+20*r.NormFloat64(), 0), 255)))
				}
			}
		}
		for name, content := range map[string][]byte{
			part.name + "-images-idx3-ubyte": images,
			part.name + "-labels-idx1-ubyte": labels,
		} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	args = []string{"train", "quickstart", "--data", dir}
	for _, s := range []string{
		"precision=fp32", "train.epochs=1", fmt.Sprint("train.batch_size=", batch),
		fmt.Sprint("train.val_batch_size=", val), "train.log_interval=1", "log.tensorboard=false",
		"sched.warmup_epochs=0", // the only epoch has just 20 steps
	} {
		args = append(args, "--set", s)
	}
	return dir, args
}

// The first steps have the same losses as on this machine, within rounding: the first nearly to the
// bit, the last within the effect of 20 updates.
func TestQuickstart(t *testing.T) {
	emulated(t)
	dir, args := quickstart(t)
	var all [2][]float64
	for i, m := range []machine{here, arm} {
		run := filepath.Join(dir, fmt.Sprint("run", i))
		m.run(t, 0, append(args, "--run", run)...)
		all[i] = losses(t, run)
	}
	compareLosses(t, all[1], all[0])
}

// compareLosses fails unless losses agree: within 2e-6 for the first step, and 2e-3 for the last.
func compareLosses(t *testing.T, got, want []float64) {
	t.Helper()
	if len(got) != steps || len(want) != steps {
		t.Fatalf("%d and %d losses are logged, want %d", len(got), len(want), steps)
	}
	worst := 0.0
	for i := range want {
		within := 2e-6 * math.Pow(1000, float64(i)/(steps-1))
		off := math.Abs(got[i]/want[i] - 1)
		if worst = max(worst, off); !(off <= within) {
			t.Errorf("loss of step %d: %v, want %v within %.1g (off by %.2g)", i+1, got[i], want[i], within, off)
		}
	}
	t.Logf("losses from %.4f to %.4f, at most %.2g apart", want[0], want[steps-1], worst)
	if want[steps-1] > want[0]-0.2 {
		t.Errorf("nothing is learned: losses %v", want)
	}
}

// A run moves from x86-64 to arm64 and back. Each move gives a note, and the losses are the same as in
// a run that stayed, within rounding.
func TestResumeAcrossArchitectures(t *testing.T) {
	emulated(t)
	dir, args := quickstart(t)
	stayed, moved := filepath.Join(dir, "stayed"), filepath.Join(dir, "moved")
	here.run(t, 0, append(args, "--run", stayed)...)
	const note = "they round differently"
	args = append(args, "--run", moved, "--resume")
	for i, l := range []struct {
		on    machine
		moves string // "" if it stays
		rest  bool   // run to the end; else make one step
	}{
		{here, "", false}, {arm, "on linux/arm64: " + note, false}, {arm, "", false},
		{here, "on linux/arm64, the run continues with", false}, {arm, "on linux/arm64: " + note, true},
	} {
		code, now := 143, slices.Concat(args, []string{"--max-hours", "1e-9"})
		if l.rest {
			code, now = 0, args
		}
		said := l.on.run(t, code, now...)
		if strings.Contains(said, note) != (l.moves != "") || !strings.Contains(said, l.moves) {
			t.Errorf("launch %d, on %s, should say %q of its kernels:\n%s", i+1, l.on.name, l.moves, said)
		}
	}
	compareLosses(t, losses(t, moved), losses(t, stayed))
}
