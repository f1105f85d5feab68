// Package onnxruntime_test runs exported models in ONNX Runtime and compares the logits with our own. It
// is another module because it needs cgo and the library of ONNX Runtime, which the product does not need:
// `make test-onnx` gets it and sets ONNXRUNTIME_LIB.
package onnxruntime_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/export"
	"fasternet/export/onnxgraph"
	"fasternet/formats/onnx"
	"fasternet/graph"
	"fasternet/internal/golden"
	"fasternet/kernels"
	"fasternet/model"

	ort "github.com/yalue/onnxruntime_go"
)

const libraryVariable = "ONNXRUNTIME_LIB"

func TestMain(m *testing.M) {
	library := os.Getenv(libraryVariable)
	if library == "" {
		fmt.Println("skipped: " + libraryVariable + " names no library of ONNX Runtime; `make test-onnx` gets one")
		os.Exit(0)
	}
	ort.SetSharedLibraryPath(library)
	if err := ort.InitializeEnvironment(ort.WithLogLevelError()); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	code := m.Run()
	if err := ort.DestroyEnvironment(); err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// large is the number of parameters above which a model gets fewer tests.
const large = 20e6

// folded makes the model of a configuration in folded form, with weights from the reference's formula,
// which keeps activations near 1, and random statistics.
func folded(t *testing.T, c *configs.Config) *model.Loaded {
	t.Helper()
	makeModel := model.New
	parameters, err := graph.Parameters(c.Model, c.Data.ImageSize, true)
	if err != nil {
		t.Fatal(err)
	}
	if c.Model.Name == "fasternet" && parameters > large {
		makeModel = model.NewFolded // the other models test folding
	}
	m, err := makeModel(c, 7)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range m.Store().Entries {
		switch {
		case e.Param != nil:
			copy(e.Param.Data(), golden.Weight(e.Name, 1, e.Shape))
			e.Param.Changed()
		case e.Buffer != nil:
			copy(e.Buffer, golden.Weight(e.Name, 1, e.Shape))
		}
	}
	f, err := graph.ForInference(m)
	if err != nil {
		t.Fatal(err)
	}
	return &model.Loaded{
		Model:   f,
		Config:  c,
		Classes: []string{"a", "b", "c", "d", "e", "f", "g"},
		File:    &checkpoints.File{},
	}
}

func save(t *testing.T, m *onnx.Model) string {
	t.Helper()
	raw, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folderFor(t),
		strings.NewReplacer("/", "-", " ", "_").Replace(t.Name())+fmt.Sprintf("-%d.onnx", m.Opset))
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// checkLogits runs the file in ONNX Runtime and the model in our own graph on the same images, for every
// batch size.
func checkLogits(t *testing.T, m graph.Model, path string, height, width int, batches ...int) {
	t.Helper()
	checkWithin(t, 1e-5, m, path, height, width, batches...)
}

// checkWithin is checkLogits with the largest allowed difference, relative to the largest logit.
func checkWithin(t *testing.T, allowed float64, m graph.Model, path string, height, width int, batches ...int) {
	t.Helper()
	for _, batch := range batches {
		images := golden.Image("input", batch, batch*m.Channels()*height*width) // NCHW
		in, err := ort.NewTensor(ort.NewShape(int64(batch), int64(m.Channels()), int64(height), int64(width)), images)
		if err != nil {
			t.Fatal(err)
		}
		want := ours(t, m, batch, height, width, golden.ToNHWC(images, batch, m.Channels(), height, width))
		keep(t, path, allowed, []int{batch, m.Channels(), height, width}, images, m.Classes(), want)
		compare(t, allowed, path, in, []int{batch, m.Classes()}, want)
		in.Destroy()
	}
}

// ours returns the logits of our own engine, for images [batch, height, width, channels].
func ours(t *testing.T, m graph.Model, batch, height, width int, images []float32) []float32 {
	t.Helper()
	pool := kernels.NewPool(0)
	defer pool.Close()
	program, err := graph.NewRunner(m, pool).Program(graph.Shape{Batch: batch, Height: height, Width: width})
	if err != nil {
		t.Fatal(err)
	}
	logits, err := program.Forward(images)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(logits)
}

// compare runs a file in ONNX Runtime and compares the logits.
func compare(t *testing.T, allowed float64, path string, in ort.Value, shape []int, want []float32) {
	t.Helper()
	options, err := ort.NewSessionOptions()
	if err != nil {
		t.Fatal(err)
	}
	defer options.Destroy()
	// On x86 without VNNI the sums of products in 8 bits overflow otherwise.
	if err := options.AddSessionConfigEntry("session.x64quantprecision", "1"); err != nil {
		t.Fatal(err)
	}
	session, err := ort.NewDynamicAdvancedSession(path, []string{onnxgraph.Input}, []string{onnxgraph.Output}, options)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Destroy()
	outputs := []ort.Value{nil} // the runtime allocates it, so that its shape is checked too
	if err := session.Run([]ort.Value{in}, outputs); err != nil {
		t.Fatal(err)
	}
	out := outputs[0].(*ort.Tensor[float32])
	defer out.Destroy()
	if got := out.GetShape(); !slices.Equal(got, []int64{int64(shape[0]), int64(shape[1])}) {
		t.Fatalf("logits of shape %v, want %v", got, shape)
	}
	worst := relative(out.GetData(), want)
	t.Logf("batch %d: off by %.2g of the largest logit", shape[0], worst)
	if !(worst <= allowed) {
		t.Errorf("batch %d: the logits are off by %.2g of the largest, %.2g is allowed", shape[0], worst, allowed)
	}
}

// relative returns max|a-b| / max|b|.
func relative(a, b []float32) float64 {
	var worst, scale float64
	for i := range b {
		d := math.Abs(float64(a[i]) - float64(b[i]))
		if math.IsNaN(d) {
			return d
		}
		worst, scale = max(worst, d), max(scale, math.Abs(float64(b[i])))
	}
	return worst / scale
}

// Exports and runs every preset.
func TestPresets(t *testing.T) {
	for _, name := range configs.Presets() {
		t.Run(name, func(t *testing.T) {
			c, err := configs.Load(name)
			if err != nil {
				t.Fatal(err)
			}
			if c.Task != "classify" {
				t.Skip("a pre-training has no export")
			}
			switch name {
			case "vit_base", "vit_large", "swin_base", "swin_large":
				t.Skip("as vit_small and swin_small, only slower")
			}
			l := folded(t, c)
			opsets, batches := []int{17, 13}, []int{1, 3}
			if l.Model.Store().Parameters() > large {
				opsets, batches = opsets[:1], batches[:1]
			}
			for _, opset := range opsets {
				m, err := export.ONNX(l, export.Options{Opset: opset, Version: "test"})
				if err != nil {
					t.Fatal(err)
				}
				checkLogits(t, l.Model, save(t, m), c.Data.ImageSize, c.Data.ImageSize, batches...)
			}
		})
	}
}

// Exports and runs models of other sizes, in every operator set.
func TestOwnSizes(t *testing.T) {
	for _, test := range []struct {
		name     string
		settings []string
	}{
		{"plain", nil},
		{"grey", []string{"model.in_chans=1", "data.mean=[0.5]", "data.std=[0.5]"}},
		{"relu", []string{"model.act_layer=relu"}},
		{"odd widths", []string{"model.embed_dim=9", "model.n_div=3", "model.mlp_ratio=1.6"}},
		{"n_div 1", []string{"model.n_div=1"}},
		{"n_div 2", []string{"model.n_div=2"}},
		{"n_div 8", []string{"model.n_div=8"}},
		{"overlap", []string{"model.patch_size=7", "model.patch_size2=3"}},
		{"gaps", []string{"model.patch_stride2=3"}},
		{"layer scale", []string{"model.layer_scale_init_value=0.1"}},
		{"grn", []string{"model.grn=true"}},
		{"one stage", []string{"model.depths=[2]"}},
		{"five stages", []string{"model.depths=[1,1,1,1,1]", "model.patch_size=2", "model.patch_stride=2"}},
		{"many classes", []string{"model.num_classes=1234"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := configs.Load("fasternet_t0",
				append([]string{"model.embed_dim=16", "model.depths=[1,2]", "model.feature_dim=24",
					"model.num_classes=0",
					"data.image_size=64", "data.multi_scale=''"}, test.settings...)...)
			if err != nil {
				t.Fatal(err)
			}
			l := folded(t, c)
			for opset := 13; opset <= 17; opset++ {
				m, err := onnxgraph.Build(l.Model, onnxgraph.Options{Opset: opset, Height: 64, Width: 83})
				if err != nil {
					t.Fatal(err)
				}
				checkLogits(t, l.Model, save(t, m), 64, 83, 1, 3)
			}
		})
	}
}

// The runtime finds producer and metadata in the file.
func TestMetadata(t *testing.T) {
	c, err := configs.Load("quickstart")
	if err != nil {
		t.Fatal(err)
	}
	l := folded(t, c)
	m, err := export.ONNX(l, export.Options{Opset: 17, Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	meta, err := ort.GetModelMetadata(save(t, m))
	if err != nil {
		t.Fatal(err)
	}
	defer meta.Destroy()
	if name, err := meta.GetProducerName(); err != nil || name != onnxgraph.Producer {
		t.Errorf("producer %q, %v", name, err)
	}
	keys, err := meta.GetCustomMetadataMapKeys()
	if err != nil || len(keys) != len(m.Meta) {
		t.Errorf("keys %v, %v", keys, err)
	}
	for key, want := range m.Meta {
		if got, ok, err := meta.LookupCustomMetadataMap(key); got != want || !ok || err != nil {
			t.Errorf("%s: %q, %v", key, got, err)
		}
	}
}
