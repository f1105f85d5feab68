package export_test

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/eval/soup"
	"fasternet/export"
	"fasternet/export/quantise"
	"fasternet/formats"
	"fasternet/formats/onnx"
	"fasternet/graph"
	"fasternet/internal/golden"
	"fasternet/kernels"
	"fasternet/model"
)

// inInt8 makes a small model in 8 bits.
func inInt8(t testing.TB, settings ...string) *model.Loaded {
	t.Helper()
	return toInt8(t, loaded(t, settings...))
}

// toInt8 quantises a model to 8 bits.
func toInt8(t testing.TB, l *model.Loaded) *model.Loaded {
	t.Helper()
	size, n := l.Config.Data.ImageSize, 40
	r, err := quantise.Run(l.Config, l.Model, quantise.Images{
		Data:     golden.Image("calibration", 1, n*size*size*l.Model.Channels()),
		Count:    n,
		Height:   size,
		Width:    size,
		Channels: l.Model.Channels(),
	}, quantise.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l.Model = r.Model
	return l
}

// A model in 8 bits is written and read back in both formats, and gives the same bits. Written again, it
// has the same bytes.
func TestInt8Files(t *testing.T) {
	for _, test := range []struct {
		name     string
		settings []string
	}{
		{"GELU", nil},
		{"ReLU", []string{"model.act_layer=relu"}},
		{"colour", []string{"model.in_chans=3", "data.mean=[0.1,0.2,0.3]", "data.std=[0.1,0.2,0.3]"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := inInt8(t, test.settings...)
			want := run(t, l.Model, l)
			for _, c := range []struct {
				file string
				o    export.Options
			}{
				{"m.safetensors", export.Options{}},
				{"m.onnx", export.Options{}}, {"newest.onnx", export.Options{Opset: onnx.LastInt8Opset}},
				{"any.onnx", export.Options{Opset: 13, Dynamic: true, Pixels: true}},
			} {
				path := filepath.Join(t.TempDir(), c.file)
				r, err := export.Write(l, path, pool(t), c.o)
				if err != nil {
					t.Fatal(err)
				}
				if r.Precision != export.Int8 || r.MaxAbs != 0 || !r.Folded {
					t.Errorf("%s: %+v", c.file, r)
				}
				back, err := model.Load(path)
				if err != nil {
					t.Fatal(err)
				}
				if !graph.IsInt8(back.Model) {
					t.Fatalf("%s: read back, it is of float32", c.file)
				}
				if !slices.Equal(run(t, back.Model, l), want) {
					t.Errorf("%s: read back, it gives different logits", c.file)
				}
				again := filepath.Join(t.TempDir(), c.file)
				if _, err := export.Write(back, again, pool(t), c.o); err != nil {
					t.Fatal(err)
				}
				a, _ := os.ReadFile(path)
				if b, _ := os.ReadFile(again); !slices.Equal(a, b) {
					t.Errorf("%s: the second export has different bytes", c.file)
				}
				if strings.HasSuffix(c.file, ".safetensors") {
					f, err := checkpoints.Read(path)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := model.Check(f); err != nil {
						t.Errorf("%s: %v", c.file, err)
					}
					options := model.LoadOptions{Settings: []string{"data.test_crop_ratio=1"}}
					if _, err := model.Open(path, options); err != nil {
						t.Errorf("%s with a setting: %v", c.file, err)
					}
				}
			}
			// The first layer is in float32, and other kernels round differently.
			for _, v := range kernels.Available() {
				k, err := kernels.New(v, "")
				if err != nil {
					t.Fatal(err)
				}
				p := k.NewPool(2)
				size := l.Config.Data.ImageSize
				program, err := graph.NewRunner(l.Model, p).Program(graph.Shape{Batch: 2, Height: size, Width: size})
				if err != nil {
					t.Fatal(err)
				}
				out, err := program.Forward(golden.Image("input", 1, 2*size*size*l.Model.Channels()))
				if err != nil {
					t.Fatal(err)
				}
				golden.CheckRel(t, string(v), out, want, 0.02)
				p.Close()
			}
		})
	}
}

// ViT and Swin in 8 bits are written and read back, for images of another size too, and a changed file is
// refused.
func TestInt8Transformers(t *testing.T) {
	for _, c := range []struct{ name, yaml, weight, grid string }{
		{
			"ViT", "model: {name: vit, embed_dim: 24, depth: 2, num_heads: 3, patch_size: 8}\ndata: {image_size: 32}",
			"blocks.1.mlp.fc2.weight", "blocks.1.attn.heads",
		},
		{
			"Swin",
			"model: {name: swin, embed_dim: 16, depths: [1, 2], num_heads: [2, 4], window_size: 4}\n" +
				"data: {image_size: 32}",
			"layers.0.downsample.reduction.weight", "layers.0.downsample.norm",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := toInt8(t, loadedTransformer(t, c.yaml))
			want := run(t, l.Model, l)
			path := filepath.Join(t.TempDir(), "m.safetensors")
			r, err := export.Write(l, path, pool(t), export.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if r.Precision != export.Int8 || r.MaxAbs != 0 || r.Folded {
				t.Errorf("%+v", r)
			}
			back, err := model.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			if !graph.IsInt8(back.Model) || !slices.Equal(run(t, back.Model, l), want) {
				t.Error("read back, it is of float32 or gives different logits")
			}
			if err := model.Start(loadedTransformer(t, c.yaml).Model, l.Config, path,
				model.LoadOptions{}); err == nil ||
				!strings.Contains(err.Error(), "in 8 bits, which cannot be trained") {
				t.Errorf("training from it: %v", err)
			}
			if err := soup.Check([]*model.Loaded{back, back}); err == nil ||
				!strings.Contains(err.Error(), "in 8 bits") {
				t.Errorf("a soup of it: %v", err)
			}
			again := filepath.Join(t.TempDir(), "again.safetensors")
			if _, err := export.Write(back, again, pool(t), export.Options{}); err != nil {
				t.Fatal(err)
			}
			a, _ := os.ReadFile(path)
			if b, _ := os.ReadFile(again); !slices.Equal(a, b) {
				t.Error("the second export has different bytes")
			}
			for _, side := range []int{16, 24} { // smaller than the model's own size
				small, err := graph.ForSize(back.Model, side)
				if err != nil {
					t.Fatal(err)
				}
				if !graph.IsInt8(small) {
					t.Errorf("for images of %d pixels it is of float32", side)
				}
				p, err := graph.NewRunner(small, pool(t)).Program(graph.Shape{Batch: 1, Height: side, Width: side})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := p.Forward(golden.Image("small", 1, side*side*small.Channels())); err != nil {
					t.Fatal(err)
				}
			}

			file, err := checkpoints.Read(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, bad := range []struct {
				name, tensor string
				value        float32
				want         string
			}{
				{"a scale of NaN", c.weight + "_scale", float32(math.NaN()), c.weight + ": output 0: its scale is NaN"},
				{"a scale of 0", c.weight + "_scale", 0, c.weight + ": output 0: its scale is 0"},
				{"a scale of +Inf", c.weight + "_scale", float32(math.Inf(1)), "its scale is +Inf"},
				{"a bias of NaN", c.weight + "_bias", float32(math.NaN()), "its bias is NaN"},
				{"a grid of 0", c.grid + ".output_scale", 0, c.grid + ": its scale is 0"},
				{"a grid of NaN", "images.output_scale", float32(math.NaN()), "images: its scale is NaN"},
				{"a grid of -Inf", "head.weight_scale", float32(math.Inf(-1)), "its scale is -Inf"},
				{"a weight of -128", c.weight, -128, "value 0 is -128"},
			} {
				i := slices.IndexFunc(file.Tensors, func(t formats.Tensor) bool { return t.Name == bad.tensor })
				if i < 0 {
					t.Fatalf("%s: there is no tensor %s", bad.name, bad.tensor)
				}
				old := file.Tensors[i].F32[0]
				file.Tensors[i].F32[0] = bad.value
				if err := checkpoints.Write(again, *file); err != nil {
					t.Fatal(err)
				}
				file.Tensors[i].F32[0] = old
				refused(t, bad.name, again, bad.want)
			}
			for i, x := range file.Tensors { // without a grid, a scale or a bias
				ofWeight := strings.HasSuffix(x.Name, "_scale") || strings.HasSuffix(x.Name, "_bias")
				if !ofWeight && !strings.Contains(x.Name, ".output_") {
					continue
				}
				less := *file
				less.Tensors = slices.Delete(slices.Clone(file.Tensors), i, i+1)
				if err := checkpoints.Write(again, less); err != nil {
					t.Fatal(err)
				}
				if _, err := model.Load(again); err == nil {
					t.Errorf("without %s it is accepted", x.Name)
				}
			}
			for _, n := range []int{0, 7, 100, len(a) / 2, len(a) - 1} {
				if err := os.WriteFile(again, a[:n], 0o600); err != nil {
					t.Fatal(err)
				}
				if _, err := model.Load(again); err == nil {
					t.Errorf("%d of %d bytes are accepted", n, len(a))
				}
			}
		})
	}
}

// ViT and Swin in 8 bits, whole or in part, are written as ONNX files and read back: they give the same
// bits, and the same bytes when they are written again. The grid before GELU in
// the metadata is checked like the tensors.
func TestInt8TransformersONNX(t *testing.T) {
	const (
		vit   = "model: {name: vit, embed_dim: 24, depth: 2, num_heads: 3, patch_size: 8}\ndata: {image_size: 32}"
		fixed = "model: {name: vit, embed_dim: 24, depth: 1, num_heads: 3, patch_size: 8, qkv_bias: " +
			"false, pos_embed: fixed}" +
			"\ndata: {image_size: 40}"
		swin = "model: {name: swin, embed_dim: 16, depths: [2, 2], num_heads: [2, 4], window_size: 4}\ndata: " +
			"{image_size: 40}"
	)
	for _, c := range []struct {
		name, yaml string
		float      []string
	}{
		{"ViT", vit, nil},
		{"ViT, fixed positions", fixed, nil},
		{"ViT, fc1 in float32", vit, []string{"*.mlp.fc1", "head"}},
		{"ViT, fc2 in float32", vit, []string{"*.mlp.fc2", "patch_embed.*"}},
		{"Swin", swin, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := loadedTransformer(t, c.yaml)
			size, n := l.Config.Data.ImageSize, 40
			r, err := quantise.Run(l.Config, l.Model, quantise.Images{
				Data:  golden.Image("calibration", 1, n*size*size*l.Model.Channels()),
				Count: n, Height: size, Width: size, Channels: l.Model.Channels(),
			}, quantise.Options{Float: c.float})
			if err != nil {
				t.Fatal(err)
			}
			l.Model = r.Model
			want := run(t, l.Model, l)
			for _, o := range []export.Options{{Opset: 13}, {Opset: onnx.LastInt8Opset, Pixels: true}} {
				path := filepath.Join(t.TempDir(), "m.onnx")
				r, err := export.Write(l, path, pool(t), o)
				if err != nil {
					t.Fatal(err)
				}
				back, err := model.Load(path)
				if err != nil {
					t.Fatal(err)
				}
				if r.Precision != export.Int8 || r.MaxAbs != 0 || !graph.IsInt8(back.Model) {
					t.Errorf("opset %d: read back, it is of float32: %+v", o.Opset, r)
				}
				if !slices.Equal(run(t, back.Model, l), want) {
					t.Errorf("opset %d: read back, it gives different logits", o.Opset)
				}
				again := filepath.Join(t.TempDir(), "again.onnx")
				if _, err := export.Write(back, again, pool(t), o); err != nil {
					t.Fatal(err)
				}
				a, _ := os.ReadFile(path)
				if b, _ := os.ReadFile(again); !slices.Equal(a, b) {
					t.Errorf("opset %d: the second export has different bytes", o.Opset)
				}
			}
			file, err := export.ONNX(l, export.Options{Opset: 17})
			if err != nil {
				t.Fatal(err)
			}
			grids, some := file.Meta[model.GridsKey]
			if hidden := !slices.Contains(c.float, "*.mlp.fc1"); some != hidden {
				t.Fatalf("metadata %s: %q", model.GridsKey, grids)
			} else if !hidden {
				return
			}
			zero, another := grids, grids
			if i := strings.Index(grids, `"scale":`) + len(`"scale":`); i > 0 {
				zero = grids[:i] + "0" + grids[i+strings.IndexByte(grids[i:], ','):]
				another = grids[:i] + "7" + grids[i+strings.IndexByte(grids[i:], ','):]
			}
			for _, bad := range []struct{ name, grids, want string }{
				{"none", "", "have no scale"}, {"a scale of 0", zero, "its scale is 0"},
				{"another scale", another, "checksum"},
				{"no JSON", grids[1:], model.GridsKey},
				{"another key", strings.Replace(grids, "scale", "scales", 1), model.GridsKey},
				{"a zero point of 256", strings.Replace(grids, `"zero_point":`, `"zero_point":1000`, 1),
					model.GridsKey},
				{"a layer that is not there", strings.Replace(grids, "mlp.fc1", "mlp.fc9", 1), "scale"},
				{"a grid of the graph", strings.Replace(grids, "mlp.fc1", "norm2", 1), "the graph has a grid of"},
			} {
				file.Meta[model.GridsKey] = bad.grids
				if bad.grids == "" {
					delete(file.Meta, model.GridsKey)
				}
				raw, err := onnx.Marshal(file)
				if err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(t.TempDir(), "bad.onnx")
				if err := os.WriteFile(path, raw, 0o600); err != nil {
					t.Fatal(err)
				}
				if _, err := model.Load(path); err == nil || !strings.Contains(err.Error(), bad.want) {
					t.Errorf("%s: got %v, want %q", bad.name, err, bad.want)
				}
			}
		})
	}
}

// refused demands the same error of all that read a model, and of the check of a file.
func refused(t *testing.T, name, path, want string) {
	t.Helper()
	_, loading := model.Load(path)
	f, err := checkpoints.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	_, checking := model.Check(f)
	for _, err := range []error{loading, checking} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
}

// A changed file is refused, and the error names what is wrong.
func TestBadInt8Files(t *testing.T) {
	l := inInt8(t)
	file, err := export.Safetensors(l)
	if err != nil {
		t.Fatal(err)
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	weight := "stages.0.blocks.0.mlp.0.weight"
	for _, c := range []struct {
		name   string
		change func(f *checkpoints.File, of func(name string) *formats.Tensor)
		want   string
	}{
		{"a scale of NaN", func(_ *checkpoints.File, of func(string) *formats.Tensor) {
			of(weight + "_scale").F32[1] = nan
		}, weight + ": output 1: its scale is NaN"},
		{"a scale of 0", func(_ *checkpoints.File, of func(string) *formats.Tensor) {
			of(weight + "_scale").F32[0] = 0
		}, "its scale is 0"},
		{"a scale of +Inf", func(_ *checkpoints.File, of func(string) *formats.Tensor) {
			of(weight + "_scale").F32[0] = inf
		}, "its scale is +Inf"},
		{"a negative scale", func(_ *checkpoints.File, of func(string) *formats.Tensor) {
			of(weight + "_scale").F32[0] = -1
		}, "want a positive one"},
		{"a bias of NaN", func(_ *checkpoints.File, of func(string) *formats.Tensor) {
			of(weight + "_bias").F32[0] = nan
		}, "its bias is NaN"},
		{"a large scale", func(_ *checkpoints.File, of func(string) *formats.Tensor) {
			of(weight + "_scale").F32[0] = 1e29
		}, "too large"},
		{"a large bias", func(_ *checkpoints.File, of func(string) *formats.Tensor) {
			of("stages.1.reduction.weight_bias").F32[0] = 1e20
		}, "stages.1.reduction.weight: output 0"},
		{"scales that are too large together", func(_ *checkpoints.File, of func(string) *formats.Tensor) {
			of("avgpool_pre_head.2.output_scale").F32[0] = 1e22
			of("head.weight_scale").F32[0] = 1e22
		}, "head.weight: output 0: its scale of 1e+22 and its bias"},
		{"scales that are too small together", func(_ *checkpoints.File, of func(string) *formats.Tensor) {
			of("avgpool_pre_head.2.output_scale").F32[0] = 1e-25
			of("head.weight_scale").F32[0] = 1e-25
		}, "times the scale of its input, 1e-25, is not from"},
		{"a result with small steps", func(_ *checkpoints.File, of func(string) *formats.Tensor) {
			of("stages.0.blocks.0.mlp.0.output_scale").F32[0] = 1e-20
		}, "do not fit the scales of its input"},
		{"an added map with large steps", func(_ *checkpoints.File, of func(string) *formats.Tensor) {
			of("patch_embed.output_scale").F32[0] = 1e15
			for _, name := range []string{"spatial_mixing.partial_conv3", "mlp.0"} {
				for i := range of("stages.0.blocks.0." + name + ".weight_scale").F32 {
					of("stages.0.blocks.0." + name + ".weight_scale").F32[i] = 1e-15
				}
			}
		}, "stages.0.blocks.0.mlp.3.weight: output 0"},
		{"a subnormal scale", func(_ *checkpoints.File, of func(string) *formats.Tensor) {
			of(weight + "_scale").F32[0] = 1e-40
		}, "its scale is 1e-40"},
		{"a grid of 0", func(_ *checkpoints.File, of func(string) *formats.Tensor) {
			of("stages.1.output_scale").F32[0] = 0
		}, "stages.1: its scale is 0"},
		{"a grid of NaN", func(_ *checkpoints.File, of func(string) *formats.Tensor) {
			of("patch_embed.output_scale").F32[0] = nan
		}, "patch_embed: its scale is NaN"},
		{"a zero point of 256", func(_ *checkpoints.File, of func(string) *formats.Tensor) {
			of("stages.1.output_zero_point").I64[0] = 256
		}, "want one integer from 0 to 255"},
		{"no zero point", func(f *checkpoints.File, of func(string) *formats.Tensor) {
			of("stages.1.output_zero_point").Name = "x"
		}, "stages.1.output_zero_point"},
		{"no scale", func(f *checkpoints.File, of func(string) *formats.Tensor) {
			of(weight + "_scale").Name = "x"
		}, weight + "_scale is missing"},
		{"too few scales", func(f *checkpoints.File, of func(string) *formats.Tensor) {
			s := of(weight + "_scale")
			s.Shape, s.F32 = []int{1}, s.F32[:1]
		}, "has shape [1]"},
		{"-128", func(_ *checkpoints.File, of func(string) *formats.Tensor) {
			of(weight).F32[3] = -128
		}, "value 3 is -128"},
		{"another scale", func(f *checkpoints.File, _ func(string) *formats.Tensor) {
			f.Tensors = append(f.Tensors,
				formats.Tensor{Name: "z.output_scale", Shape: []int{1}, F32: []float32{1}},
				formats.Tensor{Name: "z.output_zero_point", Shape: []int{1}, I64: []int64{1}})
		}, "which no layer of 8 bits needs"},
		{"not of 8 bits by its metadata", func(f *checkpoints.File, _ func(string) *formats.Tensor) {
			delete(f.Meta, model.PrecisionKey)
		}, "does not say int8"},
		{"no weights of 8 bits", func(f *checkpoints.File, _ func(string) *formats.Tensor) {
			for i := range f.Tensors {
				f.Tensors[i].DType = 0
			}
		}, "no tensor is"},
		{"another family", func(f *checkpoints.File, _ func(string) *formats.Tensor) {
			c, err := configs.Load("vit_tiny")
			if err != nil {
				t.Fatal(err)
			}
			text, err := c.YAML()
			if err != nil {
				t.Fatal(err)
			}
			f.Meta[model.ConfigKey] = string(text)
		}, "fewer than its configuration describes"},
	} {
		f := checkpoints.File{Meta: map[string]string{}}
		for k, v := range file.Meta {
			f.Meta[k] = v
		}
		for _, x := range file.Tensors {
			x.F32, x.I64 = slices.Clone(x.F32), slices.Clone(x.I64)
			f.Tensors = append(f.Tensors, x)
		}
		c.change(&f, func(name string) *formats.Tensor {
			return &f.Tensors[slices.IndexFunc(f.Tensors, func(t formats.Tensor) bool { return t.Name == name })]
		})
		path := filepath.Join(t.TempDir(), "m.safetensors")
		if err := checkpoints.Write(path, f); err != nil {
			t.Fatal(err)
		}
		refused(t, c.name, path, c.want)
	}

	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := checkpoints.Write(path, file); err != nil {
		t.Fatal(err)
	}
	whole, _ := os.ReadFile(path)
	for _, n := range []int{0, 7, 100, len(whole) / 2, len(whole) - 1} {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := model.Load(path); err == nil {
			t.Errorf("%d of %d bytes are accepted", n, len(whole))
		}
	}
}

// A changed ONNX file in 8 bits is refused.
func TestBadInt8ONNX(t *testing.T) {
	l := inInt8(t)
	for _, c := range []struct {
		name   string
		change func(of func(name string) *onnx.Tensor)
		want   string
	}{
		{"a weight", func(of func(string) *onnx.Tensor) { of("head.weight").Raw[0] ^= 3 }, "checksum"},
		{"a scale of NaN", func(of func(string) *onnx.Tensor) {
			of("head.weight_scale").F32[0] = float32(math.NaN())
		}, "its scale is NaN"},
		{"a grid of 0", func(of func(string) *onnx.Tensor) {
			of("stages.1.output_scale").F32[0] = 0
		}, "its scale is 0"},
		{"a grid", func(of func(string) *onnx.Tensor) { of("stages.1.output_scale").F32[0] *= 2 }, "changed"},
		{"a zero point of weights", func(of func(string) *onnx.Tensor) {
			of("head.weight_zero_point").Raw[0] = 1
		}, "changed"},
		{"no steps", func(of func(string) *onnx.Tensor) {
			of("head.weight_bias_scale").Name = "x"
		}, "has no scale for each of its values"},
	} {
		m, err := export.ONNX(l, export.Options{Opset: 17})
		if err != nil {
			t.Fatal(err)
		}
		for i := range m.Graph.Initializers {
			x := &m.Graph.Initializers[i]
			x.F32, x.Raw = slices.Clone(x.F32), slices.Clone(x.Raw)
		}
		c.change(func(name string) *onnx.Tensor {
			return &m.Graph.Initializers[slices.IndexFunc(m.Graph.Initializers, func(t onnx.Tensor) bool {
				return t.Name == name
			})]
		})
		raw, err := onnx.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "m.onnx")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := model.Load(path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// Files in float16, for any size and for bytes are read back; options that do not fit give an error.
func TestONNXOptions(t *testing.T) {
	l := loaded(t)
	for _, c := range []struct {
		name   string
		o      export.Options
		within float64
	}{
		{"float16", export.Options{Half: true}, 5e-3}, {"any size", export.Options{Dynamic: true, Opset: 18}, 1e-5},
		{"bytes", export.Options{Pixels: true, Opset: 28}, 1e-5},
		{"all", export.Options{Half: true, Dynamic: true, Pixels: true, Opset: 21}, 5e-3},
	} {
		path := filepath.Join(t.TempDir(), "m.onnx")
		r, err := export.Write(l, path, pool(t), c.o)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if (r.Precision == export.Float16) != c.o.Half {
			t.Errorf("%s: %+v", c.name, r)
		}
		back, err := model.Load(path)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		golden.CheckRel(t, c.name, run(t, back.Model, l), run(t, l.Model, l), c.within)
		m, err := onnx.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		in := m.Graph.Inputs[0]
		sides := in.Shape[2:]
		if c.o.Pixels {
			sides = in.Shape[1:3]
		}
		if (in.Type == onnx.Uint8) != c.o.Pixels ||
			(sides[0].Name == "height" && sides[1].Name == "width") != c.o.Dynamic {
			t.Errorf("%s: its input is %+v", c.name, in)
		}
	}
	large := loaded(t)
	large.Model.Store().Entries[0].Param.Data()[0] = 1e6
	loud := loaded(t) // its weights fit, its values do not
	for _, name := range []string{"patch_embed.norm.weight", "stages.1.norm.weight"} {
		e, _ := loud.Model.Store().Lookup(name)
		for i := range e.Param.Data() {
			e.Param.Data()[i] *= 1000
		}
		e.Param.Changed()
	}
	vit := loadedTransformer(t,
		"model: {name: vit, embed_dim: 12, depth: 1, num_heads: 2, patch_size: 8}\ndata: {image_size: 32}")
	for _, c := range []struct {
		name string
		l    *model.Loaded
		o    export.Options
		want string
	}{
		{"too large for float16", large, export.Options{Half: true}, "does not fit into float16"},
		{
			"values that are too large for float16", loud, export.Options{Half: true},
			"for a random image, which does not fit",
		},
		{"int8 in float16", inInt8(t), export.Options{Half: true}, "cannot be written in float16"},
		{"a ViT of any size", vit, export.Options{Dynamic: true}, "images of one size"},
	} {
		if _, err := export.Write(c.l, filepath.Join(t.TempDir(), "m.onnx"), pool(t), c.o); err == nil ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}
