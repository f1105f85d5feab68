package cli

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// writeConfig writes a config file and returns its path.
func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bad.yaml")
	writeFile(t, path, []byte(text))
	return path
}

func TestBadConfig(t *testing.T) {
	for _, c := range []struct{ yaml, want string }{
		{"data: {imge_size: 32}", "bad.yaml:1: data.imge_size: unknown key, did you mean image_size?"},
		{"modle: {}", "bad.yaml:1: modle: unknown key, did you mean model?"},
		{"model:\n  depths: three", "bad.yaml:2: model.depths: want a list of integers, got \"three\""},
		{"train:\n  epochs: 1.5", "bad.yaml:2: train.epochs: want an integer, got \"1.5\""},
		{"model: {depths: [1, 2.5]}", "model.depths: want a list of integers, got a list of 2"},
		{"train: {epochs: }", "bad.yaml:1: train.epochs: want an integer, got nothing"},
		{"model: [1]", "bad.yaml:1: model: want keys and values, got a list of 1"},
		{"train: {epochs: 1}\ntrain: {epochs: 2}", "bad.yaml:2: train: the key appears twice"},
		{"a: [", "bad.yaml:"},
		{"model: {embed_dim: 42}", "model.embed_dim: want a multiple of n_div (4), got 42"},
		{"model: {depths: []}", "model.depths"},
		{"model: {depths: [1, 0]}", "want 1 block or more per stage"},
		{"model: {depths: [1, 1, 1, 1, 1, 1, 1, 1, 1]}", "want 8 values or fewer, got 9"},
		{"data: {image_size: 31}", "31 pixels are too few"},
		{"data: {multi_scale: 192}", "want size_epoch, e.g. 192_280, got \"192\""},
		{"data: {multi_scale: big}", "want size_epoch"},
		{"data: {multi_scale: \"20_5\"}", "20 pixels are too few"},
		{"model: {act_layer: swish}", "want gelu or relu"},
		{"model: {in_chans: 2}", "want 1 (grey) or 3 (RGB)"},
		{"model: {in_chans: 1}", "data.mean: want 1 number(s)"},
		{"train: {batch_size: 0}", "want 1 or more, got 0"},
		{"data: {max_per_class: -1}", "data.max_per_class: want 0 or more, got -1"},
		{"train: {batch_size: -8}", "want 1 or more, got -8"},
		{"train: {batch_size: 7}\naugment: {mixup: 0.1}", "want an even number with mixup or cutmix, got 7"},
		{"train: {batch_size: 1}\ndata: {image_size: 32}", "batch norm needs two"},
		{"optim: {lr: 0}", "want a number above 0"},
		{"optim: {lr: .nan}", "optim.lr: want a finite number, got NaN"},
		{"optim: {opt: rmsprop}", "optim.opt: want adamw"},
		{"optim: {betas: [0.9]}", "optim.betas: want two numbers"},
		{"sched: {form: cosine}", "want fasternet or localmim or timm"},
		{"sched: {warmup_epochs: 7}\ntrain: {epochs: 5}", "want no more than train.epochs (5), got 7"},
		{"augment: {smoothing: 1}", "augment.smoothing"},
		{"augment: {scale: [1, 0.5]}", "the smaller first"},
		{"data: {std: [0, 1, 1]}", "data.std: want numbers above 0"},
		{"task: detect", "task: want classify"},
		{"base: fasternet_t9", "no preset is called \"fasternet_t9\", did you mean fasternet_t0?"},
	} {
		fail(t, 2, c.want, "train", writeConfig(t, c.yaml), "--run", filepath.Join(t.TempDir(), "r"))
		fail(t, 2, c.want, "config", "check", writeConfig(t, c.yaml))
	}
	for _, c := range []struct{ setting, want string }{
		{"optim.lr=.nan", "--set optim.lr=.nan: optim.lr: want a finite number, got NaN"},
		{"optim.lr=NaN", "optim.lr: want a number, got \"NaN\""},
		{"optim.lr=.inf", "want a finite number"},
		{"optm.lr=1", "optm: unknown key, did you mean optim?"},
		{"train.epochs", "want key=value"},
		{"train.epochs=ten", "want an integer, got \"ten\""},
		{"=3", "want key=value"},
		{"train=3", "train: want keys and values, got \"3\""},
		{"train.epochs.x=3", "want an integer"},
		{"model.depths=[1,2", "--set model.depths=[1,2"},
	} {
		fail(t, 2, c.want, "train", "quickstart", "--set", c.setting)
	}
	fail(t, 2, "no preset is called \"quickstrat\", did you mean quickstart?", "train", "quickstrat")
	fail(t, 2, "no such file", "train", "nowhere/my.yaml")
	fail(t, 2, "unknown flag", "train", "quickstart", "--epochs", "3")
	fail(t, 2, "unknown command", "trian")
	fail(t, 2, "want MODEL, got nothing", "summary")
	fail(t, 2, "too few", "summary", "fasternet_t0", "--size", "16")
	fail(t, 2, "--batch: want 1 or more", "bench", "quickstart", "--batch", "0")
	fail(t, 1, "too few", "bench", "quickstart", "--size", "5")
	fail(t, 2, "want MODEL..., got nothing", "eval")
}

// A run that cannot begin must not leave a folder.
func failWithoutRun(t *testing.T, want string, args ...string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	fail(t, 1, want, append(args, "--run", dir)...)
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("%v: a run folder was made", args)
	}
}

func TestBadData(t *testing.T) {
	config := writeConfig(t, tiny)
	train := func(data string, more ...string) []string {
		return append([]string{"train", config, "--data", data}, more...)
	}
	failWithoutRun(t, "/none", train(filepath.Join(t.TempDir(), "none"))...)

	good := fashion(t, 40, 10)
	read := func(name string) []byte {
		raw, err := os.ReadFile(filepath.Join(good, name))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	const images, labels = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
	for _, c := range []struct {
		name  string
		spoil func(dir string)
	}{
		{"truncated", func(dir string) { writeFile(t, filepath.Join(dir, images), read(images)[:5000]) }},
		{"header", func(dir string) {
			writeFile(t, filepath.Join(dir, images), append(
				[]byte{0, 0, 8, 3, 255, 255, 255, 255},
				read(images)[8:]...,
			))
		}},
		{"count", func(dir string) { writeFile(t, filepath.Join(dir, labels), idx(make([]byte, 39), 39)) }},
		{"label", func(dir string) { writeFile(t, filepath.Join(dir, labels), idx(bytes.Repeat([]byte{77}, 40), 40)) }},
		{"empty", func(dir string) { writeFile(t, filepath.Join(dir, images), nil) }},
		{"gone", func(dir string) { os.Remove(filepath.Join(dir, labels)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range []string{images, labels, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"} {
				writeFile(t, filepath.Join(dir, f), read(f))
			}
			c.spoil(dir)
			want := "train-"
			if c.name == "label" {
				want = "77"
			}
			failWithoutRun(t, want, train(dir)...)
		})
	}
	failWithoutRun(t, "batch", train(good, "--set", "train.batch_size=64")...)
	failWithoutRun(t, "model.num_classes: the data set has 10 classes, the model only 3",
		train(good, "--set", "model.num_classes=3")...)
}

func picture(t *testing.T, path string) {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 40, 50))
	for i := range m.Pix {
		m.Pix[i] = byte(i * 7)
	}
	m.Set(3, 3, color.White)
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, b.Bytes())
}

func imageFolder(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, part := range []string{"train", "val"} {
		for _, class := range []string{"cat", "dog"} {
			for _, file := range []string{"a.jpg", "b.JPEG", "c.jpg", "d.jpg"} {
				picture(t, filepath.Join(root, part, class, file))
			}
		}
	}
	return root
}

const folderConfig = `
model: {embed_dim: 8, depths: [1, 1], feature_dim: 16}
data: {image_size: 48}
sched: {warmup_epochs: 0}
train: {epochs: 1, batch_size: 4, val_batch_size: 3}
`

func TestImageFolder(t *testing.T) {
	config := writeConfig(t, folderConfig)
	root := imageFolder(t)
	dir := filepath.Join(t.TempDir(), "run")
	out := succeed(t, "train", config, "--data", root, "--run", dir)
	if out["count"] != 8.0 {
		t.Errorf("got %v", out)
	}
	got := succeed(t, "eval", "--model", dir, "--data", root, "--crop-ratio", "0.8", "--size", "64")
	if got["count"] != 8.0 {
		t.Errorf("got %v", got)
	}
	r := invoke(t, "data", "info", root)
	if r.code != 0 ||
		!strings.Contains(r.stdout, "training: 8 images in 2 classes") ||
		!strings.Contains(r.stdout, "cat") {
		t.Errorf("data info: %+v", r)
	}

	failWithoutRun(t, "data.dir", "train", config)
	picture(t, filepath.Join(root, "val", "eel", "a.jpg"))
	fail(t, 1, `the data set has different classes from the model: only in the data set: "eel"`,
		"eval", "--model", dir, "--data", root)
	failWithoutRun(t,
		`the validation part has different classes from the training part: only in the validation part: "eel"`,
		"train", config, "--data", root)
	if err := os.RemoveAll(filepath.Join(root, "val", "eel")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(root, "train", "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	failWithoutRun(t, "empty", "train", config, "--data", root)
	os.Remove(filepath.Join(root, "train", "empty"))

	broken := filepath.Join(root, "train", "cat", "b.JPEG")
	raw, err := os.ReadFile(broken)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, broken, raw[:len(raw)/2])
	fail(t, 1, "b.JPEG", "train", config, "--data", root, "--run", filepath.Join(t.TempDir(), "r"))
	r = invoke(t, "train", config, "--data", root, "--run", filepath.Join(t.TempDir(), "r"),
		"--set", "data.on_bad_image=skip")
	if r.code != 0 || !strings.Contains(r.stderr, "1 of 8 training images could not be read") {
		t.Errorf("on_bad_image: skip: %+v", r)
	}
	r = invoke(t, "data", "verify", root)
	if r.code != 1 || !strings.Contains(r.stdout, "b.JPEG") || !strings.Contains(r.stdout, `{"images":16,"broken":1,`) {
		t.Errorf("data verify: %+v", r)
	}
}

func TestBadCheckpoint(t *testing.T) {
	data := fashion(t, 40, 10)
	dir, args := tinyRun(t, data)
	succeed(t, append(args, "--set", "train.epochs=1")...)
	fail(t, 1, "to another model", append(args, "--resume", "--set", "model.embed_dim=16")...)
	fail(t, 1, "to another model", append(args, "--resume", "--set", "model.depths=[2,1]")...)
	fail(t, 1, "no such file", "eval", "--model", filepath.Join(dir, "none"))
	fail(t, 1, "holds no checkpoint", "eval", "--model", t.TempDir())
	garbage := filepath.Join(t.TempDir(), "x.safetensors")
	writeFile(t, garbage, []byte("not a checkpoint at all"))
	fail(t, 1, "damaged checkpoint", "eval", "--model", garbage)
	fail(t, 2, "want 1 or more", "eval", "--model", dir, "--batch", "-3")
	fail(t, 2, "too few", "eval", "--model", dir, "--size", "2")
}

func TestUnwritableRunFolder(t *testing.T) {
	_, args := tinyRun(t, fashion(t, 40, 10))
	args = args[:len(args)-1]
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, []byte("x"))
	fail(t, 1, "run folder", append(args, filepath.Join(file, "run"))...)
	fail(t, 1, "run folder", append(args, "/proc/fasternet-run")...)
}

// A full disk ends the run with an error; the previous checkpoint stays undamaged.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", disk).CombinedOutput(); err != nil {
		t.Skipf("no small file system can be mounted here: %v %s", err, out)
	}
	defer exec.Command("umount", disk).Run()
	_, args := tinyRun(t, fashion(t, 200, 50))
	args[len(args)-1] = filepath.Join(disk, "run")
	r := invoke(t, args...)
	if r.code != 1 || !strings.Contains(r.stderr, "no space left") || strings.Contains(r.stderr, "goroutine ") {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	readLast(t, filepath.Join(disk, "run"))
	if left, _ := filepath.Glob(filepath.Join(disk, "run", "checkpoints", "*.tmp")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// A loss that is no longer finite stops the run, and the error says where.
func TestDivergence(t *testing.T) {
	dir, args := tinyRun(t, fashion(t, 200, 50))
	r := invoke(t, append(args, "--set", "optim.lr=1e30", "--set", "sched.warmup_epochs=0")...)
	lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
	n := len(lines)
	if r.code != 1 || !strings.HasPrefix(lines[n-1], "fasternet-train: training diverged in epoch") || n > 6 {
		t.Errorf("exit code %d, %d lines\n%s", r.code, n, r.stderr)
	}
	for _, tensor := range readLast(t, dir).Tensors {
		for _, v := range tensor.F32 {
			if v != v {
				t.Fatalf("the last checkpoint has a NaN in %s", tensor.Name)
			}
		}
	}
}
