package onnxruntime_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"fasternet/checkpoints"
	"fasternet/export/onnxgraph"
	"fasternet/formats/npy"
	"fasternet/internal/golden"

	ort "github.com/yalue/onnxruntime_go"
)

// The program of examples/convnet trains, exports and predicts. Its file contains an op that this module
// does not have, and ONNX Runtime computes the same logits.
func TestExample(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "convnet")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Join("..", "..", "examples", "convnet")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	recipe, err := filepath.Abs(filepath.Join(build.Dir, "convnet.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) {
		t.Helper()
		c := exec.Command(program, args...)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	const batch, side = 3, 28
	images := golden.Image("input", batch, batch*side*side)
	at := func(name string) string { return filepath.Join(dir, name) }
	file, err := os.Create(at("images.npy"))
	if err != nil {
		t.Fatal(err)
	}
	if err := npy.Write(file, []int{batch, 1, side, side}, images); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	writeDrawn(t, dir)
	run("train", recipe, "--run", "run", "--data", dir, "--set", "train.epochs=2",
		"--set", "train.batch_size=20", "--set", "log.tensorboard=false")
	exported := filepath.Join(folderFor(t), "convnet.onnx")
	run("export", "--model", "run", "--out", exported)
	run("predict", "images.npy", "--model", "run", "--logits", "logits.safetensors")
	logits, err := checkpoints.Read(at("logits.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	session, err := ort.NewDynamicAdvancedSession(exported, []string{onnxgraph.Input}, []string{onnxgraph.Output}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Destroy()
	in, err := ort.NewTensor(ort.NewShape(batch, 1, side, side), images)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Destroy()
	outputs := []ort.Value{nil}
	if err := session.Run([]ort.Value{in}, outputs); err != nil {
		t.Fatal(err)
	}
	out := outputs[0].(*ort.Tensor[float32])
	defer out.Destroy()
	want, got := logits.Tensors[0], out.GetData()
	keep(t, exported, 1e-5, []int{batch, 1, side, side}, images, 10, want.F32)
	if len(got) != batch*10 || len(want.F32) != len(got) {
		t.Fatalf("%d logits, want %d as in %s %v", len(got), batch*10, want.Name, want.Shape)
	}
	worst := relative(got, want.F32)
	t.Logf("off by %.2g of the largest logit", worst)
	if !(worst <= 1e-5) {
		t.Errorf("the logits are off by %.2g of the largest, 1e-5 is allowed", worst)
	}
}

// writeDrawn writes a data set with the file names of Fashion-MNIST: images with one shade for each class.
func writeDrawn(t *testing.T, dir string) {
	t.Helper()
	for _, part := range []string{"train", "t10k"} {
		const n = 40
		images := []byte{0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, 28, 0, 0, 0, 28}
		labels := []byte{0, 0, 8, 1, 0, 0, 0, n}
		for i := range n {
			labels = append(labels, byte(i%10))
			for p := range 28 * 28 {
				images = append(images, byte(i%10*20+(p*i+p/28)%50))
			}
		}
		for name, content := range map[string][]byte{"-images-idx3-ubyte": images, "-labels-idx1-ubyte": labels} {
			if err := os.WriteFile(filepath.Join(dir, part+name), content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
