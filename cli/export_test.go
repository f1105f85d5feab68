package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/formats"
	"fasternet/formats/onnx"
	"fasternet/model"
)

// A run is exported to both formats, and both score the same as the checkpoint.
func TestExport(t *testing.T) {
	t.Parallel()
	data := fashion(t, 160, 60)
	dir, args := tinyRun(t, data)
	succeed(t, args...)
	checkpoint := succeed(t, "eval", "--model", dir)
	out := t.TempDir()
	for _, c := range []struct {
		file  string
		extra []string
		opset any
	}{
		{"m.safetensors", nil, nil},
		{"whole.safetensors", []string{"--no-fold"}, nil},
		{"m.onnx", nil, 17.0},
		{"old.onnx", []string{"--opset", "13", "--threads", "1"}, 13.0},
	} {
		path := filepath.Join(out, c.file)
		v := succeed(t, append([]string{"export", "--model", dir, "--out", path}, c.extra...)...)
		if v["path"] != path ||
			v["opset"] != c.opset ||
			v["parameters"].(float64) < 100 ||
			v["max_rel_diff"].(float64) > 1e-5 ||
			v["max_abs_diff"] == nil {
			t.Errorf("%s: %v", c.file, v)
		}
		got := succeed(t, "eval", "--model", path)
		if got["top1"] != checkpoint["top1"] ||
			got["top5"] != checkpoint["top5"] ||
			got["count"] != checkpoint["count"] {
			t.Errorf("%s scores %v, the checkpoint %v", c.file, got, checkpoint)
		}
	}
	// A preset has fresh weights.
	fresh := filepath.Join(t.TempDir(), "fresh.onnx")
	r := invoke(t, "export", "--model", "quickstart", "--out", fresh)
	if r.code != 0 || !strings.Contains(r.stderr, "only good for timing") {
		t.Errorf("export of a preset: %+v", r)
	}
	if v := succeed(t, "eval", "--model", fresh, "--data", data); v["count"] != 60.0 {
		t.Errorf("fresh weights: %v", v)
	}
	// The export keeps its number of classes, also a small one.
	for _, test := range []struct {
		settings string
		want     int
	}{{"model.num_classes=3", 3}, {"model.num_classes=12", 12}, {"model.num_classes=0", 10}} {
		t.Run(test.settings, func(t *testing.T) {
			few := filepath.Join(t.TempDir(), "few.onnx")
			succeed(t, "export", "--model", "quickstart", "--out", few, "--set", test.settings)
			m, err := onnx.Read(few)
			if err != nil {
				t.Fatal(err)
			}
			if s := m.Graph.Outputs[0].Shape; len(s) != 2 || s[1].Size != int64(test.want) {
				t.Errorf("--set %s: the output is %v, want %d classes", test.settings, s, test.want)
			}
		})
	}
	// Export at another size, onto the existing file.
	path := filepath.Join(out, "m.onnx")
	succeed(t, "export", "--model", filepath.Join(out, "m.safetensors"), "--out", path, "--size", "48")
	m, err := onnx.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if s := m.Graph.Inputs[0].Shape; s[2].Size != 48 || s[3].Size != 48 || s[0].Name != "batch" {
		t.Errorf("the input is %v", s)
	}
	if files, _ := os.ReadDir(out); len(files) != 4 {
		t.Errorf("left: %v", files)
	}
}

func TestExportErrors(t *testing.T) {
	dir := t.TempDir()
	c, err := configs.Load("quickstart", "model.embed_dim=8", "model.depths=[1,1]", "model.feature_dim=16")
	if err != nil {
		t.Fatal(err)
	}
	net, err := model.New(c, 10)
	if err != nil {
		t.Fatal(err)
	}
	meta, err := model.Meta(c, make([]string, 10))
	if err != nil {
		t.Fatal(err)
	}
	good := filepath.Join(dir, "good.safetensors")
	foreign := filepath.Join(dir, "foreign.safetensors")
	garbage := filepath.Join(dir, "garbage.onnx")
	if err := checkpoints.Write(good, checkpoints.File{Meta: meta, Tensors: model.Tensors(net.Store())}); err != nil {
		t.Fatal(err)
	}
	if err := checkpoints.Write(foreign, checkpoints.File{
		Tensors: []formats.Tensor{{Name: "w", Shape: []int{1}, F32: []float32{1}}},
	}); err != nil {
		t.Fatal(err)
	}
	writeFile(t, garbage, []byte(strings.Repeat("garbage", 100)))
	writeFile(t, filepath.Join(dir, "text"), []byte("text"))
	before, _ := os.ReadDir(dir)
	out := filepath.Join(dir, "m.onnx")
	fail(t, 2, "want MODEL, got nothing", "export", "--out", out)
	fail(t, 2, "--out: want a file", "export", "--model", good)
	fail(t, 2, "want a name that ends with .safetensors or .onnx",
		"export", "--model", good, "--out", filepath.Join(dir, "m.pth"))
	fail(t, 2, "--opset: want 13 to 28, got 12", "export", "--model", good, "--out", out, "--opset", "12")
	fail(t, 2, "--opset: want 13 to 27 with --int8, got 28",
		"export", "--model", good, "--out", out, "--opset", "28", "--int8")
	fail(t, 2, "--opset: want 13 to 28, got 29", "export", "--model", good, "--out", out, "--opset", "29")
	fail(t, 2, "is not an ONNX file",
		"export", "--model", good, "--out", filepath.Join(dir, "m.safetensors"), "--opset", "13")
	fail(t, 2, "--no-fold: ONNX files are always folded", "export", "--model", good, "--out", out, "--no-fold")
	fail(t, 2, "pixels are too few", "export", "--model", good, "--out", out, "--size", "3")
	fail(t, 1, "no averaged weights", "export", "--model", good, "--out", out, "--ema")
	fail(t, 1, "no such file", "export", "--model", filepath.Join(dir, "none"), "--out", out)
	fail(t, 1, "no known weights of a FasterNet", "export", "--model", foreign, "--out", out)
	fail(t, 1, "not a file of weights", "export", "--model", filepath.Join(dir, "text"), "--out", out)
	fail(t, 1, "not an ONNX file", "export", "--model", garbage, "--out", out)
	fail(t, 1, "not an ONNX file", "eval", "--model", garbage)
	fail(t, 1, "the folder of", "export", "--model", good, "--out", filepath.Join(dir, "none", "m.onnx"))
	fail(t, 1, "is not a folder", "export", "--model", good, "--out", filepath.Join(dir, "text", "m.onnx"))
	if after, _ := os.ReadDir(dir); len(after) != len(before) {
		t.Errorf("left: %v", after)
	}
}
