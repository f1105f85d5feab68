package verify_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/export"
	"fasternet/formats"
	"fasternet/formats/npy"
	"fasternet/internal/golden"
	"fasternet/internal/verify"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/train"
)

func ExamplePath() {
	dir, _ := os.MkdirTemp("", "example")
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "predictions.safetensors")
	tensor := formats.Tensor{Name: "logits", Shape: []int{2}, F32: []float32{0.5, -1}}
	if err := checkpoints.Write(path, checkpoints.File{Tensors: []formats.Tensor{tensor}}); err != nil {
		fmt.Println(err)
		return
	}
	whole, err := verify.Path(path)
	fmt.Println(whole.OK(), whole.Facts, err)
	info, _ := os.Stat(path)
	os.Truncate(path, info.Size()-4)
	torn, err := verify.Path(path)
	fmt.Println(torn.OK(), torn.Rescue, err)
	// Output:
	// true 1 tensors of 2 values <nil>
	// false 0 of its 1 tensors are complete <nil>
}

const text = `model: {embed_dim: 8, depths: [1, 1], feature_dim: 16, in_chans: 1}
data: {image_size: 32, mean: [0.5], std: [0.5]}
`

// state makes a checkpoint of a run after this many batches.
func state(t *testing.T, c *configs.Config, batches int) checkpoints.File {
	t.Helper()
	m, err := model.New(c, 3)
	if err != nil {
		t.Fatal(err)
	}
	meta, err := model.Meta(c, []string{"a", "b", "c"})
	if err != nil {
		t.Fatal(err)
	}
	progress, err := json.Marshal(train.Progress{Epoch: 1, Step: batches - 8, Batches: batches})
	if err != nil {
		t.Fatal(err)
	}
	meta[train.ProgressKey] = string(progress)
	ts := model.Tensors(m.Store())
	for _, p := range m.Store().Params() {
		ts = append(ts, formats.Tensor{
			Name:  "optimizer.exp_avg." + p.Name,
			Shape: slices.Clone([]int(p.Shape())),
			F32:   make([]float32, p.Size()),
		})
	}
	return checkpoints.File{Meta: meta, Tensors: ts}
}

func parse(t *testing.T, text string) *configs.Config {
	t.Helper()
	c, err := configs.Parse("test", text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func put(t *testing.T, path string, f checkpoints.File) {
	t.Helper()
	if err := checkpoints.Write(path, f); err != nil {
		t.Fatal(err)
	}
}

// run makes the folder of a run with two checkpoints.
func run(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "run")
	c := parse(t, text)
	y, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "checkpoints"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, content string }{
		{train.ConfigFile, string(y)},
		{train.LogFile, `{"kind":"step","batches":1}` + "\n"},
		{train.SummaryFile, "epoch,train_loss,eval_loss,eval_top1,eval_top5,lr\n"},
	} {
		if err := os.WriteFile(filepath.Join(dir, test.name), []byte(test.content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(t, filepath.Join(dir, "checkpoints", checkpoints.Previous), state(t, c, 10))
	put(t, filepath.Join(dir, "checkpoints", checkpoints.Last), state(t, c, 12))
	return dir
}

// says verifies a path and checks the sentence.
func says(t *testing.T, path string, ok bool, want ...string) {
	t.Helper()
	r, err := verify.Path(path)
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	got := r.String()
	for _, w := range append(want, path) {
		if !strings.Contains(got, w) {
			t.Errorf("%q has no %q", got, w)
		}
	}
	if r.OK() != ok || strings.Contains(got, "\n") {
		t.Errorf("%q: ok is %v", got, r.OK())
	}
}

// Says what is wrong with a checkpoint, and what can be saved.
func TestCheckpoint(t *testing.T) {
	dir := run(t)
	path := filepath.Join(dir, "checkpoints", checkpoints.Last)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	says(t, path, true, "checkpoint", "in epoch 2 after step 4", "fasternet")
	says(t, dir, true, "2 checkpoints", "--resume goes on from last.safetensors, in epoch 2 after step 4")

	write := func(raw []byte) {
		t.Helper()
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const rescue = "previous.safetensors next to it is complete, in epoch 2 after step 2"
	write(whole[:len(whole)-5])
	says(t, path, false, "it is cut off", "tensors are complete", rescue)
	says(t, dir, false, "1 of its 2 checkpoints are damaged", "--resume goes on from previous.safetensors")
	write(whole[:100])
	says(t, path, false, "cut off in its header", "nothing in it can be saved", rescue)
	write(nil)
	says(t, path, false, "it is cut off: 0 bytes", rescue)
	write(append(slices.Clone(whole), "more"...))
	says(t, path, false, "4 bytes too many", rescue)
	altered := slices.Clone(whole)
	altered[len(altered)-3] ^= 8
	write(altered)
	says(t, path, false, "the checksum does not match", "it is unknown which of its tensors are right", rescue)
	altered = slices.Clone(whole)
	altered[9] = '!'
	write(altered)
	says(t, path, false, "its header is damaged", "nothing in it can be saved")
	write(whole)

	c := parse(t, text)
	for _, test := range []struct {
		want  string
		spoil func(f *checkpoints.File)
	}{
		{"2 of its", func(f *checkpoints.File) {
			v := slices.Clone(f.Tensors[0].F32)
			v[3], v[4] = float32(math.NaN()), float32(math.Inf(-1))
			f.Tensors[0].F32 = v
		}},
		{"to another model", func(f *checkpoints.File) { f.Tensors[1].Name += "x" }},
		{"has shape", func(f *checkpoints.File) { f.Tensors[0].Shape = []int{len(f.Tensors[0].F32)} }},
		{"and its parameter", func(f *checkpoints.File) {
			i := len(f.Tensors) - 1
			f.Tensors[i].Shape = append(f.Tensors[i].Shape, 1)
		}},
		{"model.embed_dim", func(f *checkpoints.File) { f.Meta[model.ConfigKey] = "model: {embed_dim: 9}" }},
		{"fewer than its configuration", func(f *checkpoints.File) { f.Meta[model.ConfigKey] = "base: fasternet_l" }},
		{"its class names", func(f *checkpoints.File) { f.Meta[model.ClassesKey] = "[" }},
		{"its progress", func(f *checkpoints.File) { f.Meta[train.ProgressKey] = `{"epoch": -3}` }},
		{"no preset is called \"/etc/passwd\"", func(f *checkpoints.File) {
			f.Meta[model.ConfigKey] = "base: /etc/passwd"
		}},
	} {
		t.Run(test.want, func(t *testing.T) {
			f := state(t, c, 12)
			test.spoil(&f)
			put(t, path, f)
			says(t, path, false, test.want)
			says(t, dir, false, "1 of its 2")
		})
	}
}

// Names everything that is wrong with a file, not only the first fault.
func TestAllProblems(t *testing.T) {
	dir := run(t)
	path := filepath.Join(dir, "checkpoints", checkpoints.Last)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(raw)
	values := raw[8+n:]
	spoilt := func(foreign bool, cut int) []byte {
		var header map[string]any
		if err := json.Unmarshal(raw[8:8+n], &header); err != nil {
			t.Fatal(err)
		}
		of := func(name string) map[string]any { return header[name].(map[string]any) }
		of("head.weight")["shape"] = []int{5}
		of("head.bias")["dtype"] = "F7"
		offsets := of("patch_embed.proj.weight")["data_offsets"].([]any)
		offsets[0] = offsets[0].(float64) + 4
		if foreign {
			delete(header, "__metadata__")
		}
		text, err := json.Marshal(header)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Concat(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text, values[:len(values)-cut])
	}
	wrong := []string{
		"tensor head.weight: shape [5]: want 20 bytes of F32, got",
		"tensor head.bias: it is of type F7, which is not supported",
		"tensor patch_embed.proj.weight: its values begin at byte", "are complete",
	}
	for _, c := range []struct {
		name    string
		content []byte
		want    []string
	}{
		{"a checkpoint", spoilt(false, 0), append(wrong, "previous.safetensors next to it is complete")},
		{"cut", spoilt(false, 4), append(wrong, "it is cut off: ")},
		{"of another program", spoilt(true, 0), append(wrong, "safetensors of another program")},
	} {
		if err := os.WriteFile(path, c.content, 0o644); err != nil {
			t.Fatal(err)
		}
		t.Run(c.name, func(t *testing.T) { says(t, path, false, c.want...) })
	}
}

// Checks the other faults of a run.
func TestRun(t *testing.T) {
	dir := run(t)
	file := func(name, content string) (restore func()) {
		path := filepath.Join(dir, name)
		old, err := os.ReadFile(path)
		if e := os.WriteFile(path, []byte(content), 0o644); e != nil {
			t.Fatal(e)
		}
		return func() {
			if err != nil {
				os.Remove(path)
			} else if err := os.WriteFile(path, old, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name, content string
		ok            bool
		want          string
	}{
		{train.ConfigFile, "model: {embed_dim: three}", false, "model.embed_dim: want an integer"},
		{train.ConfigFile, strings.Replace(text, "feature_dim: 16", "feature_dim: 32", 1), false,
			"2 of its 2 checkpoints are damaged; no checkpoint is complete"},
		{train.LogFile, "{}\n{\n" + `{"kind":"step"}` + "\n", false,
			"2 lines of the logs cannot be read, the first: log.jsonl:1"},
		{train.SummaryFile, "1,2\n", false, "summary.csv:1"},
		{train.SummaryFile, "0,1,2,3,4,5\n", false, "best.safetensors is missing (epoch 1, top-1 3.00 %"},
		{train.FingerprintFile, "torn", false, "fingerprint.safetensors: damaged"},
		{"checkpoints/best.safetensors.unfinished.tmp", "", true,
			"1 file that a killed process left half-written"},
	} {
		restore := file(c.name, c.content)
		says(t, dir, c.ok, c.want)
		restore()
	}
	says(t, dir, true, "2 checkpoints")
	f, err := train.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	says(t, dir, true, fmt.Sprintf("in use by process %d on ", os.Getpid()))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got := train.InUse(dir); got != "" {
		t.Errorf("in use by %s", got)
	}
	for _, test := range []struct{ path, want string }{
		{filepath.Join(dir, "none"), "no such file"},
		{t.TempDir(), "neither the folder of a run"},
		{filepath.Join(dir, train.LogFile), "want a file"},
	} {
		t.Run(test.path, func(t *testing.T) {
			if _, err := verify.Path(test.path); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v, want %q", test.path, err, test.want)
			}
		})
	}
}

// Checks exports, and files of other programs.
func TestExports(t *testing.T) {
	dir := run(t)
	l, err := model.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	pool := kernels.NewPool(1)
	defer pool.Close()
	out := t.TempDir()
	for _, c := range []struct{ name, kind string }{
		{"m.onnx", "ONNX, fasternet"},
		{"m.safetensors", "exported model, fasternet"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(out, c.name)
			if _, err := export.Write(l, path, pool, export.Options{}); err != nil {
				t.Fatal(err)
			}
			says(t, path, true, c.kind)
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, test := range []struct {
				what string
				bad  []byte
			}{
				{"cut", raw[:len(raw)/2]},
				{"altered", slices.Concat(raw[:len(raw)/2], []byte{raw[len(raw)/2] ^ 1}, raw[len(raw)/2+1:])},
			} {
				t.Run(test.what, func(t *testing.T) {
					if err := os.WriteFile(path, test.bad, 0o644); err != nil {
						t.Fatal(err)
					}
					if r, err := verify.Path(path); err != nil || r.OK() {
						t.Errorf("%s, %s: %v, %v", c.name, test.what, r, err)
					}
				})
			}
		})
	}
	array := filepath.Join(out, "x.npy")
	err = checkpoints.WriteAtomic(array, func(w io.Writer) error {
		return npy.Write(w, []int{2}, []float32{1, float32(math.NaN())})
	})
	if err != nil {
		t.Fatal(err)
	}
	says(t, array, false, "1 of its 2 values are NaN or infinite, the first: the array[1] is NaN")
	says(t, golden.Path(t, "fasternet_small_gelu.pth"), true, "weights of PyTorch", "no checksum")
	says(t, golden.Path(t, "fasternet_small_gelu.safetensors"), true, "safetensors of another program")
}

// The best checkpoint is the best one in the summary.
func TestBest(t *testing.T) {
	dir := run(t)
	summary := func(rows string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, train.SummaryFile), []byte(rows), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f := state(t, parse(t, text), 8)
	f.Meta[train.ProgressKey] = `{"epoch":1,"step":0,"batches":8,"last":{"epoch":0,"top1":30,"loss":2}}`
	put(t, filepath.Join(dir, "checkpoints", checkpoints.Best), f)
	summary("0,1,2,30,40,5\n1,1,2.5,30,40,5\n2,1,1,20,40,5\n")
	says(t, dir, true, "3 checkpoints")
	summary("0,1,2,30,40,5\n1,1,2,31,40,5\n")
	says(t, dir, false, "best.safetensors is not from the best epoch in the log (epoch 2, top-1 31.00 %)")
	summary("0,1,2,29,40,5\n") // the run has continued differently
	says(t, dir, false, "not from the best epoch")
}

// A folder of timm is compared with its config.json.
func TestTimmFolder(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"vit_token", "vit, "},
		{"swin", "swin, "},
		{"fasternet_headless", ", without a classifier"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := verify.Path(golden.Foreign(t, "timm/"+c.name))
			if err != nil || !r.OK() || r.Kind != "folder of timm" || !strings.Contains(r.Facts, c.want) {
				t.Errorf("%s: %v, %v", c.name, r, err)
			}
		})
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(golden.Foreign(t, "timm/vit_token"))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "model.safetensors")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(raw[len(raw)-4:], "\x00\x00\xc0\x7f") // NaN
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	if r, err := verify.Path(dir); err != nil || r.OK() || !strings.Contains(r.Problem, "values are NaN or infinite") {
		t.Errorf("NaN: %v, %v", r, err)
	}
	config := []byte(`{"architecture": "resnet18"}`)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o644); err != nil {
		t.Fatal(err)
	}
	if r, err := verify.Path(dir); err != nil || r.OK() || !strings.Contains(r.Problem, "architecture") {
		t.Errorf("another architecture: %v, %v", r, err)
	}
}
