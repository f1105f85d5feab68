package export_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/data/preprocess"
	"fasternet/export"
	"fasternet/export/onnxgraph"
	"fasternet/formats/onnx"
	"fasternet/graph"
	"fasternet/graph/fasternet"
	"fasternet/internal/golden"
	"fasternet/kernels"
	"fasternet/model"
)

// loaded returns a small model as if it came from a checkpoint, with random weights and
// statistics.
func loaded(t testing.TB, settings ...string) *model.Loaded {
	t.Helper()
	small := []string{"model.embed_dim=8", "model.depths=[1,2]", "model.feature_dim=16"}
	c, err := configs.Load("quickstart", append(small, settings...)...)
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(c, 3)
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
	return &model.Loaded{Model: m, Config: c, Classes: []string{"ant", "bee", "cöckroach"}, File: &checkpoints.File{}}
}

func pool(t testing.TB) *kernels.Pool {
	p := kernels.NewPool(2)
	t.Cleanup(p.Close)
	return p
}

// Exports a run to ONNX.
func ExampleWrite() {
	_, err := model.Load(filepath.Join("runs", "quickstart"))
	if err != nil {
		fmt.Println("train first")
	} // else export.Write(loaded, "quickstart.onnx", pool, export.Options{})
	fmt.Println(export.FormatOf("quickstart.onnx"))
	// Output:
	// train first
	// onnx <nil>
}

func run(t testing.TB, m graph.Model, l *model.Loaded) []float32 {
	t.Helper()
	size := l.Config.Data.ImageSize
	p, err := graph.NewRunner(m, pool(t)).Program(graph.Shape{Batch: 2, Height: size, Width: size})
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Forward(golden.Image("input", 1, 2*size*size*m.Channels()))
	if err != nil {
		t.Fatal(err)
	}
	return append([]float32(nil), out...)
}

// An export can be loaded, gives the same logits, and describes how to prepare an image.
func TestWriteAndLoad(t *testing.T) {
	for _, test := range []struct {
		name     string
		settings []string
	}{
		{"plain", nil}, {"layer scale", []string{"model.layer_scale_init_value=0.1"}},
		{"colour", []string{"model.in_chans=3", "data.mean=[0.1,0.2,0.3]", "data.std=[0.1,0.2,0.3]"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := loaded(t, test.settings...)
			want := run(t, l.Model, l)
			for _, c := range []struct {
				file   string
				o      export.Options
				folded bool
				opset  int
			}{
				{"m.safetensors", export.Options{}, true, 0},
				{"whole.safetensors", export.Options{NoFold: true}, false, 0},
				{"m.onnx", export.Options{}, true, 17},
				{"m13.ONNX", export.Options{Opset: 13, Version: "1.2"}, true, 13},
			} {
				dir := t.TempDir()
				path := filepath.Join(dir, c.file)
				r, err := export.Write(l, path, pool(t), c.o)
				if err != nil {
					t.Fatal(err)
				}
				if r.Folded != c.folded ||
					r.Opset != c.opset ||
					r.MaxRel > 1e-5 ||
					c.folded == (r.MaxAbs == 0) ||
					r.Bytes < 1000 ||
					r.Path != path {
					t.Errorf("%s: %+v", c.file, r)
				}
				if files, _ := os.ReadDir(dir); len(files) != 1 {
					t.Errorf("left: %v", files)
				}
				back, err := model.Load(path)
				if err != nil {
					t.Fatal(err)
				}
				golden.CheckRel(t, c.file, run(t, back.Model, l), want, 1e-5)
				got := back.Model.(graph.Foldable).Folded()
				if got != c.folded || back.Model.Store().Parameters() != r.Parameters {
					t.Errorf("%s: folded %v, %d parameters", c.file, got, back.Model.Store().Parameters())
				}
				if yaml(t, back.Config) != yaml(t, l.Config) || fmt.Sprint(back.Classes) != fmt.Sprint(l.Classes) {
					t.Errorf("%s: configuration or class names differ", c.file)
				}
				for _, tt := range []struct{ key, value string }{
					{model.FoldedKey, fmt.Sprint(c.folded)},
					{model.ArchitectureKey, "fasternet"},
					{preprocess.InterpolationKey, l.Config.Data.Interpolation},
					{preprocess.CropRatioKey, fmt.Sprint(l.Config.Data.TestCropRatio)},
					{model.ClassesKey, `["ant","bee","cöckroach"]`},
					{preprocess.MeanKey, strings.ReplaceAll(fmt.Sprint(l.Config.Data.Mean), " ", ",")},
					{preprocess.StdKey, strings.ReplaceAll(fmt.Sprint(l.Config.Data.Std), " ", ",")},
					{preprocess.InputSizeKey,
						fmt.Sprintf("[%d,%d,%[2]d]", l.Model.Channels(), l.Config.Data.ImageSize)},
				} {
					t.Run(tt.key, func(t *testing.T) {
						if back.File.Meta[tt.key] != tt.value {
							t.Errorf("%s: %s is %q, want %q", c.file, tt.key, back.File.Meta[tt.key], tt.value)
						}
					})
				}
				// Export once more, from the export.
				again := filepath.Join(dir, "again.onnx")
				if c.folded {
					o := export.Options{Opset: c.opset, Version: c.o.Version}
					if r, err := export.Write(back, again, pool(t), o); err != nil || r.MaxAbs != 0 {
						t.Errorf("%s: exported again: %+v, %v", c.file, r, err)
					}
				}
				if c.opset != 0 {
					a, _ := os.ReadFile(path)
					if b, _ := os.ReadFile(again); !bytes.Equal(a, b) {
						t.Errorf("%s: the second export has different bytes", c.file)
					}
				}
			}
		})
	}
}

// yaml returns a configuration as YAML.
func yaml(t testing.TB, c *configs.Config) string {
	t.Helper()
	text, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWriteErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "a.onnx"), 0o755); err != nil {
		t.Fatal(err)
	}
	sick := loaded(t)
	sick.Model.Store().Entries[0].Param.Data()[0] = float32(math.NaN())
	for _, c := range []struct {
		l    *model.Loaded
		path string
		o    export.Options
		want string
	}{
		{loaded(t), filepath.Join(dir, "m.pt"), export.Options{}, "want a name that ends with"},
		{loaded(t), filepath.Join(dir, "none", "m.onnx"), export.Options{}, "none"},
		{loaded(t), filepath.Join(file, "m.onnx"), export.Options{}, "file"},
		{loaded(t), filepath.Join(dir, "a.onnx"), export.Options{}, "is a folder"},
		{loaded(t), filepath.Join(dir, "m.onnx"), export.Options{Opset: 12}, "opset 12"},
		{loaded(t), filepath.Join(dir, "m.onnx"), export.Options{NoFold: true}, "not in folded form"},
		{sick, filepath.Join(dir, "m.onnx"), export.Options{}, "the weights are broken"},
		{
			&model.Loaded{Model: lossy{loaded(t).Model.(*fasternet.Model)}, Config: sick.Config},
			filepath.Join(dir, "m.onnx"),
			export.Options{},
			"differ by",
		},
	} {
		if _, err := export.Write(c.l, c.path, pool(t), c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.path, err, c.want)
		}
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("left: %v", files)
	}
}

// lossy is a model that loses a weight in folding.
type lossy struct{ *fasternet.Model }

func (l lossy) Fold() (graph.Model, error) {
	f, err := l.Model.Fold()
	if err == nil {
		e, _ := f.Store().Lookup("head.bias")
		e.Param.Data()[1] += 0.01
		e.Param.Changed()
	}
	return f, err
}

// An ONNX file that was changed, or comes from another program, is refused with a reason.
func TestForeignONNX(t *testing.T) {
	l := loaded(t)
	f, err := l.Model.(graph.Foldable).Fold()
	if err != nil {
		t.Fatal(err)
	}
	l.Model = f
	path := filepath.Join(t.TempDir(), "m.onnx")
	for _, c := range []struct {
		want   string
		change func(m *onnx.Model)
	}{
		{"", func(m *onnx.Model) {}},
		{`an ONNX file of "pytorch"`, func(m *onnx.Model) { m.Producer = "pytorch" }},
		{`format ""`, func(m *onnx.Model) { delete(m.Meta, model.FormatKey) }},
		{"the ONNX graph was changed after it was exported: its node 3", func(m *onnx.Model) {
			m.Graph.Nodes[3].Inputs[1] = "input"
		}},
		{"the weights were changed", func(m *onnx.Model) {
			m.Graph.Initializers[0].F32 = append([]float32{1}, m.Graph.Initializers[0].F32[1:]...)
		}},
		{"fewer than its configuration describes", func(m *onnx.Model) {
			m.Meta[model.ConfigKey] = strings.Replace(m.Meta[model.ConfigKey], "embed_dim: 8", "embed_dim: 32768", 1)
		}},
		{"tensors with", func(m *onnx.Model) {
			m.Meta[model.ConfigKey] = strings.Replace(m.Meta[model.ConfigKey], "depths: [1, 2]", "depths: [1, 1000]", 1)
		}},
		{"class names", func(m *onnx.Model) { m.Meta[model.ClassesKey] = "{" }},
		{"unknown key", func(m *onnx.Model) { m.Meta[model.ConfigKey] = "sizes: 3\n" }},
		{"its initializer 0", func(m *onnx.Model) { m.Graph.Initializers[0].Name = "x" }},
		{"it has 0 inputs", func(m *onnx.Model) { m.Graph.Inputs = nil }},
		{"fewer than its configurati…", func(m *onnx.Model) { m.Meta[model.FoldedKey] = "false" }},
	} {
		t.Run(c.want, func(t *testing.T) {
			m, err := export.ONNX(l, export.Options{Opset: 15})
			if err != nil {
				t.Fatal(err)
			}
			c.change(m)
			raw, err := onnx.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, raw, 0o644); err != nil {
				t.Fatal(err)
			}
			_, err = model.Load(path)
			if c.want == "" && err != nil ||
				c.want != "" && (err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(c.want, "…"))) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if err := os.WriteFile(path, []byte("not ONNX"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := model.Load(path); err == nil || !strings.Contains(err.Error(), "not an ONNX file") {
		t.Errorf("garbage: %v", err)
	}
	if _, err := onnxgraph.Build(f, onnxgraph.Options{Opset: 13, Height: 32, Width: 32}); err != nil {
		t.Error(err)
	}
}
