package cli

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/formats"
	"fasternet/internal/golden"
)

func readCheckpoint(t *testing.T, path string) *checkpoints.File {
	t.Helper()
	f, err := checkpoints.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// From PyTorch to a checkpoint, to timm's names, and back: the bits are the same.
func TestConvert(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	in := golden.Path(t, "fasternet_small_gelu_nested_model.pth")
	fail(t, 2, "add --set model.act_layer=gelu or relu", "convert", in, at("a.safetensors"))
	r := invoke(t, "convert", in, at("a.safetensors"), "--set", "model.act_layer=gelu")
	for _, want := range []string{
		"PyTorch file, under model, official names", "argparse.Namespace", "loaded: 67", "… and 59 more",
		"missing: 0", `"loaded":67`, `"classes":10`,
	} {
		if r.code != 0 || !strings.Contains(r.stdout, want) {
			t.Errorf("exit code %d, no %q in\n%s%s", r.code, want, r.stdout, r.stderr)
		}
	}
	if r := invoke(t, "convert", in, at("a.safetensors"), "--set", "model.act_layer=gelu",
		"--verbose"); strings.Contains(r.stdout, "more") ||
		!strings.Contains(r.stdout, "head.bias") {
		t.Errorf("--verbose: %s", r.stdout)
	}
	// Names for PyTorch need no activation.
	succeed(t, "convert", in, at("official.safetensors"), "--naming", "official")
	succeed(t, "convert", at("a.safetensors"), at("timm.safetensors"), "--naming", "timm")
	if f := readCheckpoint(t, at("timm.safetensors")); f.Meta["format"] != "pt" {
		t.Errorf("metadata %v", f.Meta)
	} else if _, ok := f.Lookup("stages.3.downsample.reduction.weight"); !ok {
		t.Error("the names are not timm's")
	}
	succeed(t, "convert", at("timm.safetensors"), at("b.safetensors"), "--set", "model.act_layer=gelu")
	succeed(t, "convert", at("official.safetensors"), at("c.safetensors"), "--set", "model.act_layer=gelu")
	a := readCheckpoint(t, at("a.safetensors"))
	sameWeights(t, a, readCheckpoint(t, at("b.safetensors")))
	sameWeights(t, a, readCheckpoint(t, at("c.safetensors")))
	if w, _ := a.Lookup("head.bias"); w.F32[3] != golden.Weight("head.bias", 1, w.Shape)[3] {
		t.Error("different weights than in the file")
	}
	if out := succeed(t, "eval", "--model", at("a.safetensors"), "--data", imageFolder(t), "--size",
		"64"); out["count"] != 8.0 {
		t.Errorf("eval of what was converted: %v", out)
	}
	// Another number of classes drops the classifier.
	if out := succeed(t, "convert", in, at("d.safetensors"), "--set", "model.act_layer=gelu",
		"--set", "model.num_classes=4"); out["dropped"] != 2.0 ||
		out["classes"] != 4.0 {
		t.Errorf("got %v", out)
	}
	// Foreign tensors are refused, or left out on request.
	headless := readCheckpoint(t, at("official.safetensors"))
	headless.Tensors = append(headless.Tensors[1:], formats.Tensor{
		Name:  "norm.weight",
		Shape: []int{1},
		F32:   []float32{1},
	})
	if err := checkpoints.Write(at("odd.safetensors"), *headless); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(at("d.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"convert", at("odd.safetensors"), at("d.safetensors"), "--set", "model.act_layer=gelu"}
	fail(t, 1, "1 unexpected (norm.weight); --allow-missing goes on", args...)
	if after, err := os.ReadFile(at("d.safetensors")); err != nil || !bytes.Equal(before, after) {
		t.Errorf("a conversion that failed changed the file: %v", err)
	}
	if out := succeed(t, append(args, "--allow-missing")...); out["unexpected"] != 1.0 {
		t.Errorf("got %v", out)
	}
	if left, _ := filepath.Glob(at("*.tmp")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A run starts from weights. When it is resumed, it no longer needs them.
func TestTrainFrom(t *testing.T) {
	data := fashion(t, 40, 10)
	first, args := tinyRun(t, data)
	succeed(t, append(args, "--set", "train.epochs=1")...)
	weights := filepath.Join(t.TempDir(), "timm.safetensors")
	succeed(t, "convert", first, weights, "--naming", "timm")

	dir, args := tinyRun(t, data)
	args = append(args, "--from", weights, "--set", "model.num_classes=12", "--set", "optim.lr=1e-9",
		"--set", "sched.warmup_epochs=0")
	succeed(t, append(args, "--set", "train.epochs=1")...)
	text, err := os.ReadFile(filepath.Join(dir, "train.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"starting from the weights of " + weights,
		"the classifier is for 10 classes, the model for 12",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in the log\n%s", want, text)
		}
	}
	old, _ := readCheckpoint(t, filepath.Join(first, "checkpoints", "best.safetensors")).
		Lookup("stages.2.blocks.0.mlp.0.weight")
	now, _ := readLast(t, dir).Lookup("stages.2.blocks.0.mlp.0.weight")
	golden.CheckRel(t, "weights after a run with a tiny learning rate", now.F32, old.F32, 1e-4)

	if err := os.Remove(weights); err != nil {
		t.Fatal(err)
	}
	r := invoke(t, append(args, "--resume", "--set", "train.epochs=2")...)
	if r.code != 0 || strings.Contains(r.stderr, "starting from") || !strings.Contains(r.stderr, "resuming") {
		t.Errorf("resumed: exit code %d\n%s", r.code, r.stderr)
	}

	config := writeConfig(t, tiny)
	failWithoutRun(t, "no such file", "train", config, "--data", data, "--from", weights)
	failWithoutRun(t, "from: ", "train", config, "--data", data, "--set", "from="+golden.Path(t, "pth_odd_layouts.pth"))
	failWithoutRun(t, "to another model",
		"train", config, "--data", data, "--from", first, "--set", "model.embed_dim=16")
	succeed(t, "train", config, "--data", data, "--from", first, "--run", filepath.Join(t.TempDir(), "third"),
		"--set", "train.epochs=1")
}

func torchFile(t *testing.T, path, pickle string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create("x/data.pkl")
	if err == nil {
		_, err = f.Write([]byte(pickle))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, b.Bytes())
	return path
}

func TestBadWeights(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	good, err := os.ReadFile(golden.Path(t, "fasternet_small_gelu.pth"))
	if err != nil {
		t.Fatal(err)
	}
	out := at("out.safetensors")
	gelu := []string{"--set", "model.act_layer=gelu"}
	bad := func(name, want string, content []byte) {
		t.Helper()
		writeFile(t, at(name), content)
		fail(t, 1, want, append([]string{"convert", at(name), out}, gelu...)...)
	}
	container := func(header, data string) []byte {
		return append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header+data...)
	}
	bad("torn.pth", "torn or damaged", good[:len(good)/2])
	bad("text.pth", "not a file of weights", []byte("hello"))
	bad("empty.pth", "not a file of weights", nil)
	bad("text.safetensors", "damaged checkpoint", []byte("hello"))
	bad("pickle.pth", "a pickle that torch.save did not write", []byte("\x80\x02X\x02\x00\x00\x00hi."))
	bad("overlap.safetensors", "tensor b: its values begin at byte",
		container(
			`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},`+
				`"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}`,
			"123456789012",
		))
	bad("huge.safetensors", "tensor a: bytes 0 to 1152921504606846976 are not part of a file",
		container(`{"a":{"dtype":"U8","shape":[1152921504606846976],"data_offsets":[0,1152921504606846976]}}`, "1234"))
	bad("header.safetensors", "damaged checkpoint", append(binary.LittleEndian.AppendUint64(nil, 1<<31), "{}"...))
	bad("other.safetensors", "no known weights of a FasterNet",
		container(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, "1234"))

	// Python's pickle would run a command here.
	marker := at("marker")
	command := "touch " + marker
	bomb := "\x80\x02cposix\nsystem\nX" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(command)))) +
		command + "\x85R."
	torchFile(t, at("bomb.pth"), bomb)
	fail(t, 1, "it holds an object of class posix.system, which is code", "convert", at("bomb.pth"), out)
	torchFile(t, at("memory.pth"), "\x80\x02\x8e\xff\xff\xff\xff\xff\xff\xff\x3f.")
	fail(t, 1, "the pickle is damaged", "convert", at("memory.pth"), out)
	if _, err := os.Stat(marker); err == nil {
		t.Error("a pickle was executed")
	}

	in := golden.Path(t, "fasternet_small_gelu.pth")
	// Other shapes and another type.
	fail(t, 1, "to another model", "convert", in, out, "--config", "fasternet_t0", "--allow-missing")
	headed := []string{"convert", golden.Path(t, "fasternet_small_gelu_weights.safetensors"), out}
	fail(t, 1, "to another model", append(append(headed, gelu...), "--set", "model.embed_dim=32")...)
	raw, err := os.ReadFile(headed[1])
	if err != nil {
		t.Fatal(err)
	}
	bad("type.safetensors", "mismatched (patch_embed.norm.bias is int32)", bytes.Replace(raw,
		[]byte(`"patch_embed.norm.bias":{"dtype":"F32"`), []byte(`"patch_embed.norm.bias":{"dtype":"I32"`), 1))

	fail(t, 2, "want ours, official, timm, torchvision, microsoft, localmim", "convert", in, out, "--naming", "keras")
	fail(t, 2, "ends in .safetensors", "convert", in, at("out.pth"))
	fail(t, 2, "want MODEL OUT, got 1", "convert", in)
	fail(t, 2, "unknown key", "convert", in, out, "--set", "modle.x=1", "--set", "model.act_layer=gelu")
	fail(t, 2, "no preset is called", "convert", in, out, "--config", "fasternet_t9")
	fail(t, 1, "no averaged weights", "convert", in, out, "--ema")
	fail(t, 1, "no such file", "convert", at("none.pth"), out)
	fail(t, 1, "holds no checkpoint", "convert", t.TempDir(), out)
	fail(t, 1, "writing", append([]string{"convert", in, filepath.Join(dir, "none", "out.safetensors")}, gelu...)...)
	if _, err := os.Stat(out); err == nil {
		t.Error("a conversion that failed left a file")
	}
	// Output onto the input.
	succeed(t, append([]string{"convert", in, out}, gelu...)...)
	fail(t, 2, "is the input: give another file", "convert", out, out)
	run := t.TempDir()
	best := filepath.Join(run, "best.safetensors")
	succeed(t, append([]string{"convert", in, best}, gelu...)...)
	fail(t, 2, "is the input: give another file to write", "convert", run, best)
}
