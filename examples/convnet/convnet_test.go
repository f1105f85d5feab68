package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"fasternet/data/sets"
	"fasternet/ops"
	"fasternet/ops/opstest"

	"gorgonia.org/gorgonia"
)

// TestMain becomes the program itself when a test starts this binary as the program.
func TestMain(m *testing.M) {
	if os.Getenv("CONVNET_MAIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

// The gradients of the op equal central differences. They have the same bits with any number of
// workers, and if they are recomputed.
func TestDepthwise(t *testing.T) {
	opstest.Check{Recompute: true}.Gradients(t, func(g *opstest.Graph) (*gorgonia.Node, error) {
		d := depthwise{"conv", g.Parameter("conv.weight", 5, 1, side, side), g.Parameter("conv.bias", 5)}
		return d.add(g.Tape, g.Input("x", 2, 9, 4, 5)) // wider and narrower than the filter
	})
}

// program starts the program in a folder.
type program struct {
	*testing.T
	dir string
}

func newProgram(t *testing.T) program {
	t.Helper()
	p := program{t, t.TempDir()}
	recipe, err := os.ReadFile("convnet.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.dir, "convnet.yaml"), recipe, 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p program) command(args ...string) *exec.Cmd {
	p.Helper()
	name, err := os.Executable()
	if err != nil {
		p.Fatal(err)
	}
	c := exec.CommandContext(p.Context(), name, args...)
	c.Dir, c.Env = p.dir, append(os.Environ(), "CONVNET_MAIN=1")
	return c
}

// must runs the program. It returns the output, and the JSON object in its last line.
func (p program) must(args ...string) (text string, last map[string]any) {
	p.Helper()
	var out, messages bytes.Buffer
	c := p.command(args...)
	c.Stdout, c.Stderr = &out, &messages
	if err := c.Run(); err != nil {
		p.Fatalf("%v: %v\n%s%s", args, err, &out, &messages)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	_ = json.Unmarshal([]byte(lines[len(lines)-1]), &last) // some commands end without JSON
	return messages.String() + out.String(), last
}

// train trains a small model on images with a few of each class.
func (p program) train(run string, settings ...string) (text string, last map[string]any) {
	p.Helper()
	return p.must(p.training(run, settings...)...)
}

func (program) training(run string, settings ...string) []string {
	args := []string{"train", "convnet.yaml", "--run", run, "--set", "threads=2"}
	small := []string{"model.depth=2", "model.patch_size=4", "train.batch_size=50", "log.tensorboard=false"}
	for _, s := range append(small, settings...) {
		if strings.HasPrefix(s, "-") {
			args = append(args, s)
			continue
		}
		args = append(args, "--set", s)
	}
	return args
}

// interrupt starts a training and stops it after its first epoch. On a busy machine the signal may
// come too late; then it tries again.
func (p program) interrupt(run string, settings ...string) {
	p.Helper()
	for range 100 {
		c := p.command(p.training(run, settings...)...)
		messages, err := c.StderrPipe()
		if err != nil {
			p.Fatal(err)
		}
		if err := c.Start(); err != nil {
			p.Fatal(err)
		}
		said, sent := "", false
		for lines := bufio.NewScanner(messages); lines.Scan(); {
			said += lines.Text() + "\n"
			if !sent && strings.HasPrefix(lines.Text(), "epoch 2/") {
				sent = true
				_ = c.Process.Signal(os.Interrupt) // fails if it has ended
			}
		}
		err = c.Wait()
		switch {
		case c.ProcessState.ExitCode() == 130:
			return
		case err != nil:
			p.Fatalf("%v\n%s", err, said)
		}
		if err := os.RemoveAll(filepath.Join(p.dir, run)); err != nil {
			p.Fatal(err)
		}
	}
	p.Fatal("no signal came in time")
}

// values returns the values in the last checkpoint, without its header.
func (p program) values(run string) []byte {
	p.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, run, "checkpoints", "last.safetensors"))
	if err != nil {
		p.Fatal(err)
	}
	return text[8+binary.LittleEndian.Uint64(text):]
}

// drawn writes files with the names of Fashion-MNIST: stripes of ten shades and directions.
func drawn(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for part, n := range map[string]int{"train": 200, "t10k": 100} {
		images, labels := []byte{0, 0, 8, 3}, []byte{0, 0, 8, 1}
		for _, v := range []int{n, 28, 28} {
			images = binary.BigEndian.AppendUint32(images, uint32(v))
		}
		labels = binary.BigEndian.AppendUint32(labels, uint32(n))
		for i := range n {
			labels = append(labels, byte(i%10))
			for p := range 28 * 28 {
				at := [2]int{p % 28, p / 28}[i%2] + i/10
				images = append(images, byte(at/2%2*(60+20*(i%10))+(i*p)%7))
			}
		}
		for name, content := range map[string][]byte{"-images-idx3-ubyte": images, "-labels-idx1-ubyte": labels} {
			if err := os.WriteFile(filepath.Join(dir, part+name), content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// whole trains a model with a pause and without, exports, and evaluates the exports.
func whole(t *testing.T, least float64, settings ...string) {
	p := newProgram(t)
	_, result := p.train("whole", settings...)
	top1, ok := result["top1"].(float64)
	if !ok || top1 < least {
		t.Errorf("top-1 %v %%, want %v or more", result["top1"], least)
	}
	if runtime.GOOS == "windows" {
		t.Log("no signal can be sent to stop a run")
	} else {
		p.interrupt("parts", settings...)
		if bytes.Equal(p.values("parts"), p.values("whole")) {
			t.Error("the interrupted run came to its end")
		}
		p.train("parts", append(settings, "--resume")...)
		if !bytes.Equal(p.values("parts"), p.values("whole")) {
			t.Error("with a pause the training gives different weights")
		}
	}
	var top5 any
	for _, name := range []string{"whole", "c.onnx", "c.safetensors"} {
		if name != "whole" {
			p.must("export", "--model", "whole", "--out", name)
		}
		_, got := p.must("eval", "--model", name)
		if top5 == nil {
			top5 = got["top5"]
		}
		if got["top1"] != top1 || got["top5"] != top5 {
			t.Errorf("%s: top-1 and top-5 are %v and %v, want %v and %v", name, got["top1"], got["top5"], top1, top5)
		}
	}
}

func TestTraining(t *testing.T) {
	t.Parallel()
	whole(t, 30, "data.dir="+drawn(t), "train.epochs=10", "optim.lr=0.01")
}

func TestFashionMNIST(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes seconds")
	}
	if _, err := sets.OpenFashionMNIST("", true); err != nil {
		t.Skipf("Fashion-MNIST is not there: %v", err)
	}
	whole(t, 45, "data.max_per_class=40", "train.epochs=5", "train.val_interval=5", "optim.lr=0.01")
}

// Every recipe works with this model.
func TestRecipes(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	data := []string{"data.dir=" + drawn(t), "train.epochs=1", "model.drop_path_rate=0.2"}
	p.train("plain", data...)
	for _, c := range []struct {
		setting, want string
		same          bool // the result equals the one without the setting
	}{
		{"train.grad_checkpointing=true", "epoch 1/1", true},
		{"optim.layer_decay=0.5", "× 0.5 a layer", false},
		{"train.frozen_stages=1", "frozen: 12 tensors", false},
		{"precision=bf16", "bf16", false},
		{"ema.decay=0.9", "averaged weights", false},
		{"model.depth=3", "epoch 1/1", false},
	} {
		t.Run(c.setting, func(t *testing.T) {
			p := program{t, p.dir}
			if c.setting == "precision=bf16" {
				if out, _ := p.must("version"); strings.Contains(out, "bf16: none") {
					t.Skip("this processor has no bfloat16")
				}
			}
			text, _ := p.train(c.setting, append(data, c.setting)...)
			if !strings.Contains(text, c.want) {
				t.Errorf("want %q in:\n%s", c.want, text)
			}
			if same := bytes.Equal(p.values(c.setting), p.values("plain")); same != c.same {
				t.Errorf("the same weights as without: %v, want %v", same, c.same)
			}
		})
	}
	// Commands that look into a model work too.
	for _, c := range []struct {
		want string
		args []string
	}{
		{"blocks.1", []string{"summary", "plain"}},
		{"dim: 32 # channels; at most 65536", []string{"config", "show", "convnet.yaml"}},
		{"no problem found", []string{"config", "check", "convnet.yaml"}},
		{"pooled", []string{"features", "--dataset", "--model", "plain", "--out", "f.safetensors"}},
		{kind + ops.GradSuffix, []string{"debug", "step", "plain"}},
		{"top1", []string{"knn", "--model", "plain"}},
		{"ok: checkpoint", []string{"verify", "plain"}},
		{"img/s", []string{"bench", "convnet.yaml", "--train", "--batch", "4"}},
	} {
		if out, _ := p.must(c.args...); !strings.Contains(out, c.want) {
			t.Errorf("%v: want %q in:\n%s", c.args, c.want, out)
		}
	}
}

// Errors are one clear line.
func TestErrors(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	for _, c := range []struct{ name, setting, want string }{
		{"a value", "model.depth=0", "model.depth: want 1 or more, got 0"},
		{"a large value", "model.dim=100000", "model.dim: want 65536 or less, got 100000"},
		{"an unknown key", "model.dimm=3", "model.dimm: unknown key, did you mean dim?"},
		{"a key of another family", "model.n_div=3", "a convnet has no such key"},
		{"a type", "model.dim=a", `model.dim: want an integer, got "a"`},
		{"frozen blocks", "train.frozen_stages=9", "the model has 4 blocks, got 9"},
		{"a small image", "data.image_size=1", "data.image_size: want 2 or more, got 1"},
		{
			"a pre-training", "task=localmim",
			"localmim pre-trains a fasternet or a vit or a swin (model.name), not a convnet",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := []string{"config", "check", "convnet.yaml", "--set", c.setting, "--set", "data.dir="}
			out, err := p.command(args...).CombinedOutput()
			if err == nil || !strings.Contains(string(out), c.want) {
				t.Errorf("%v, want %q in:\n%s", err, c.want, out)
			}
		})
	}
}
