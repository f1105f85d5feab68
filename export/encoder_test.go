package export_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/export"
	"fasternet/formats/onnx"
	"fasternet/formats/torch"
	"fasternet/graph"
	"fasternet/graph/localmim"
	"fasternet/internal/golden"
	"fasternet/layers"
	"fasternet/model"
)

// pretrainings are pre-trainings of each family, and the features that their encoders give.
var pretrainings = []struct{ name, config, features string }{
	{
		"fasternet", "model: {name: fasternet, embed_dim: 8, depths: [1, 1], feature_dim: 12, patch_size: 4}\n" +
			"mim: {mask_unit: 8, decoder_dim: 8, decoder_heads: 2}\n", layers.Pooled,
	},
	{
		"vit", "model: {name: vit, embed_dim: 16, depth: 2, num_heads: 2, patch_size: 8, norm_eps: 1.0e-6}\n" +
			"mim: {taps: [1, 2], scales: [2, 1], decoder_dim: 8, decoder_heads: 2}\n", layers.PreLogits,
	},
	{
		"swin", "model: {name: swin, embed_dim: 8, depths: [1, 1], num_heads: [1, 2], window_size: 2, patch_size: 4, " +
			"norm_before_pool: true, norm_eps: 1.0e-5, norm2_eps: 1.0e-5}\n" +
			"mim: {mask_unit: 8, decoder_dim: 8, decoder_heads: 2, merge_order: official}\n", layers.PreLogits,
	},
}

// pretrained writes the checkpoint of a pre-training with random weights and statistics.
func pretrained(t *testing.T, config string) string {
	t.Helper()
	c, err := configs.Parse("test", config+
		"task: localmim\ndata: {image_size: 32, mean: [0.1, 0.2, 0.3], std: [0.4, 0.5, 0.6]}\n")
	if err != nil {
		t.Fatal(err)
	}
	m, err := localmim.New(c, 1)
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
		case e.Counter != nil:
			*e.Counter = 1 // batch norms have measured whole images
		}
	}
	meta, err := model.Meta(c, []string{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "pretrained.safetensors")
	err = checkpoints.Write(path, checkpoints.File{Meta: meta, Tensors: model.Tensors(m.Store())})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func openEncoder(t *testing.T, path string) *model.Loaded {
	t.Helper()
	l, err := model.Open(path, model.LoadOptions{Encoder: true, Headless: true})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// featuresOf runs a model on two images.
func featuresOf(t *testing.T, l *model.Loaded) []float32 {
	t.Helper()
	size := l.Config.Data.ImageSize
	p, err := graph.NewRunner(l.Model, pool(t)).Features(graph.Shape{Batch: 2, Height: size, Width: size})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Forward(golden.Image("input", 1, 2*size*size*l.Model.Channels())); err != nil {
		t.Fatal(err)
	}
	values, err := p.FeatureValues(l.Features())
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(values)
}

// The encoder of a pre-training goes to every format, without decoders and classifier, and comes back
// with the same features.
func TestEncoder(t *testing.T) {
	for _, c := range pretrainings {
		t.Run(c.name, func(t *testing.T) {
			from := pretrained(t, c.config)
			l := openEncoder(t, from)
			if !l.Headless || l.Features() != c.features {
				t.Fatalf("headless %v, features %s, want %s", l.Headless, l.Features(), c.features)
			}
			want := featuresOf(t, l)
			dir := t.TempDir()
			for _, file := range []string{"e.safetensors", "e.onnx"} {
				path := filepath.Join(dir, file)
				r, err := export.Write(l, path, pool(t), export.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if r.Features != c.features || r.Parameters != l.Parameters() && !r.Folded {
					t.Errorf("%s: %+v", file, r)
				}
				back := openEncoder(t, path)
				if !back.Headless || back.Features() != c.features || len(back.Classes) > 0 {
					t.Errorf("%s: headless %v, features %s, classes %v",
						file, back.Headless, back.Features(), back.Classes)
				}
				golden.CheckRel(t, file, featuresOf(t, back), want, 1e-5)
				if _, err := model.Load(path); err == nil ||
					!strings.Contains(err.Error(), "comes from a pre-training (task localmim): it has no classifier") {
					t.Errorf("%s as a classifier: %v", file, err)
				}
			}
			checkEncoderFile(t, filepath.Join(dir, "e.safetensors"), c.features)
			m, err := onnx.Read(filepath.Join(dir, "e.onnx"))
			if err != nil {
				t.Fatal(err)
			}
			if out := m.Graph.Outputs[0]; out.Name != "features" || out.Shape[1].Size != int64(len(want)/2) {
				t.Errorf("the output is %+v, want %d features", out, len(want)/2)
			}
			fineTunesAlike(t, l.Config, from, filepath.Join(dir, "e.safetensors"))

			folder := filepath.Join(dir, "hub")
			r, _, err := export.WriteHub(l, folder, pool(t))
			if c.features == layers.Pooled { // timm would compute features with random weights
				if err == nil ||
					!strings.Contains(err.Error(), "avgpool_pre_head.1.weight, which the pre-training has not") {
					t.Errorf("hub: %v", err)
				}
				ts, err := model.Export(l, torch.Timm)
				if err != nil || len(ts) != len(l.State()) {
					t.Errorf("timm's names: %d tensors, want %d: %v", len(ts), len(l.State()), err)
				}
				return
			}
			if err != nil || r.MaxRel > 1e-6 {
				t.Fatalf("hub: %+v, %v", r, err)
			}
			golden.CheckRel(t, "hub", featuresOf(t, openEncoder(t, folder)), want, 1e-6)
		})
	}
}

// checkEncoderFile reads an export as another program would.
func checkEncoderFile(t *testing.T, path, features string) {
	t.Helper()
	f, err := checkpoints.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, tensor := range f.Tensors {
		for _, part := range []string{"decoder", "hog_enc", "encoder.", "head", "norm.0", "visible"} {
			if strings.HasPrefix(tensor.Name, part) {
				t.Errorf("the file has %s", tensor.Name)
			}
		}
	}
	if _, ok := f.Lookup("patch_embed.proj.weight"); !ok {
		t.Error("no patch_embed.proj.weight")
	}
	for _, m := range []struct{ key, want string }{
		{"task", "features"}, {"features", features}, {"classes", "[]"}, {"mean", "[0.1,0.2,0.3]"},
		{"std", "[0.4,0.5,0.6]"}, {"input_size", "[3,32,32]"}, {"pretraining", "localmim"}, {"folded", "false"},
	} {
		if f.Meta[m.key] != m.want {
			t.Errorf("%s is %q, want %q", m.key, f.Meta[m.key], m.want)
		}
	}
	if _, err := model.Check(f); err != nil {
		t.Errorf("the file is verified: %v", err)
	}
	// A file that is too small for its configuration is refused before the model takes memory.
	f.Tensors = f.Tensors[:3]
	if err := checkpoints.Write(path+".cut.safetensors", *f); err != nil {
		t.Fatal(err)
	}
	if _, err := model.Check(f); err == nil {
		t.Error("a file without most tensors is fine")
	}
	if _, err := model.Open(path+".cut.safetensors", model.LoadOptions{Encoder: true}); err == nil {
		t.Error("a file without most tensors was opened")
	}
}

// fineTunesAlike compares the start from a pre-training with the start from its export.
func fineTunesAlike(t *testing.T, c *configs.Config, run, file string) {
	t.Helper()
	three := *c
	three.Model.NumClasses = 3
	var starts [2]graph.Model
	for i, path := range []string{run, file} {
		var err error
		if starts[i], err = model.New(&three, 3); err != nil {
			t.Fatal(err)
		}
		if err := model.Start(starts[i], &three, path, model.LoadOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for i, e := range starts[0].Store().Entries {
		other := starts[1].Store().Entries[i]
		if e.Param != nil && !slices.Equal(e.Param.Data(), other.Param.Data()) ||
			e.Buffer != nil && !slices.Equal(e.Buffer, other.Buffer) {
			t.Errorf("%s differs", e.Name)
		}
	}
}
