package stages

import (
	"archive/zip"
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/formats/npy"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/model"
)

// entry is an array of a dump.
type entry struct {
	name   string
	shape  []int
	values []float32
}

func archive(t *testing.T, entries ...entry) *npy.Archive {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		f, err := w.Create(e.name + ".npy")
		if err == nil {
			err = npy.Write(f, e.shape, e.values)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	a, err := npy.ParseArchive(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// channelsFirst transposes values [n, positions, channels].
func channelsFirst(values []float32, n, channels int) []float32 {
	out := make([]float32, len(values))
	positions := len(values) / n / channels
	for i, v := range values {
		image, p, c := i/(positions*channels), i/channels%positions, i%channels
		out[(image*channels+c)*positions+p] = v
	}
	return out
}

// setup makes a model for two images, and a dump of its own values in the form of another
// framework.
func setup(t *testing.T, text string) (*graph.Runner, []entry) {
	t.Helper()
	c, err := configs.Parse("test", text)
	if err != nil {
		t.Fatal(err)
	}
	net, err := model.New(c, 5)
	if err != nil {
		t.Fatal(err)
	}
	pool := kernels.NewPool(1)
	t.Cleanup(pool.Close)
	runner, err := model.NewRunner(c, net, pool)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	images := make([]float32, 2*32*32*3)
	for i := range images {
		images[i] = float32(r.NormFloat64())
	}
	entries := []entry{{"input", []int{2, 3, 32, 32}, channelsFirst(images, 2, 3)}}
	p, err := runner.Features(graph.Shape{Batch: 2, Height: 32, Width: 32})
	if err != nil {
		t.Fatal(err)
	}
	logits, err := p.Forward(images)
	if err != nil {
		t.Fatal(err)
	}
	entries = append(entries, entry{"logits", []int{2, 5}, slices.Clone(logits)})
	for _, name := range p.FeatureNames() {
		values, shape, err := p.Feature(name)
		if err != nil {
			t.Fatal(err)
		}
		values = slices.Clone(values)
		if len(shape) == 4 {
			values = channelsFirst(values, 2, shape[3])
			shape = []int{2, shape[3], shape[1], shape[2]}
		}
		entries = append(entries, entry{name, shape, values})
	}
	return runner, entries
}

const (
	fasternet = `model: {name: fasternet, embed_dim: 8, depths: [1, 1], feature_dim: 16, num_classes: 5}
data: {image_size: 32}`
	vit = `model: {name: vit, embed_dim: 24, depth: 2, num_heads: 3, patch_size: 8, num_classes: 5}
data: {image_size: 32}`
	swin = `model: {name: swin, embed_dim: 12, depths: [2, 2], num_heads: [2, 4], patch_size: 4, window_size: 4, ` +
		`num_classes: 5}
data: {image_size: 32}`
)

// Equal values agree in any order. A different value is found, and so are all values after
// it.
func TestCompare(t *testing.T) {
	for _, c := range []struct{ name, text, want, disturbed string }{
		{"fasternet", fasternet, "stage1 stage2 pooled prelogits logits", "stage2"},
		{"vit", vit, "tokens pooled prelogits logits", "pooled"},
		{"swin", swin, "stage1 stage2 pooled prelogits logits", "stage1"},
	} {
		r, entries := setup(t, c.text)
		names := func(res *Result) string {
			var all []string
			for _, s := range res.Stages {
				all = append(all, s.Name)
			}
			return strings.Join(all, " ")
		}
		got, err := Compare(r, archive(t, entries...), Options{Tolerance: 0})
		if err != nil || got.First != "" || names(got) != c.want || got.Images != 2 || len(got.Unknown) > 0 {
			t.Fatalf("%s: %+v, %v", c.name, got, err)
		}
		for _, s := range got.Stages {
			if *s.Largest != 0 || *s.Relative != 0 || s.Ours != s.Theirs && s.Ours.Max != s.Theirs.Max {
				t.Errorf("%s: %+v", c.name, s)
			}
		}
		dump := archive(t, append(entries, entry{"other", []int{1}, []float32{1}})...)
		if _, err := Compare(r, dump, Options{}); err != nil {
			t.Error(err)
		}
		i := slices.IndexFunc(entries, func(e entry) bool { return e.name == c.disturbed })
		for _, d := range []struct {
			by     float32
			differ bool
		}{{0.5, true}, {1e-7, false}, {float32(math.NaN()), true}, {float32(math.Inf(-1)), true}} {
			changed := slices.Clone(entries)
			changed[i].values = slices.Clone(entries[i].values)
			changed[i].values[7] += d.by
			got, err := Compare(r, archive(t, changed...), Options{Tolerance: 1e-4})
			if err != nil || (got.First == c.disturbed) != d.differ || !d.differ && got.First != "" {
				t.Errorf("%s by %v: %q, %v", c.name, d.by, got.First, err)
			}
		}
	}
}

// An op is compared by the name of its layer.
func TestCompareOps(t *testing.T) {
	r, entries := setup(t, vit)
	block := entry{"blocks.1.mlp", []int{2, 17, 24}, make([]float32, 2*17*24)}
	got, err := Compare(r, archive(t, entries[0], block), Options{Tolerance: 1e-4})
	if err != nil ||
		len(got.Stages) != 1 ||
		got.First != "blocks.1.mlp" ||
		got.Stages[0].Op != "MLPBlock" ||
		!slices.Contains(got.Missing, "blocks.0.attn") ||
		!slices.Contains(got.Missing, "pooled") {
		t.Fatalf("got %+v, %v", got, err)
	}
	// A map without the class token is the rest of the other framework's tokens.
	tokens := entry{"patch_embed", []int{2, 17, 24}, nil}
	got, err = Compare(r,
		archive(t, entries[0], entry{"patch_embed", []int{2, 16, 24}, make([]float32, 2*16*24)}), Options{})
	if err != nil || got.Stages[0].Layout != "channels last" {
		t.Fatalf("got %+v, %v", got, err)
	}
	tokens.values = make([]float32, 2*17*24)
	if got, err = Compare(r, archive(t, entries[0], tokens), Options{}); err != nil ||
		got.Stages[0].Layout != "without the first token" {
		t.Fatalf("got %+v, %v", got, err)
	}
	wrong := entry{"patch_embed", []int{2, 15, 24}, make([]float32, 2*15*24)}
	if got, err = Compare(r, archive(t, entries[0], wrong), Options{}); err != nil ||
		got.Stages[0].Layout != "" ||
		got.First != "patch_embed" {
		t.Fatalf("got %+v, %v", got, err)
	}
	for _, c := range []struct {
		name    string
		entries []entry
		want    string
	}{
		{"no images", entries[1:], `the dump has no array "input"`},
		{"no values", entries[:1], "the dump and the model have no name in common"},
		{"other channels", []entry{{"input", []int{1, 1, 32, 32}, make([]float32, 1024)}},
			"want [images, 3 channels, height, width]"},
	} {
		if _, err := Compare(r, archive(t, c.entries...), Options{}); err == nil ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	got, err = Compare(r, archive(t, entries...), Options{Headless: true})
	if err != nil || slices.ContainsFunc(got.Stages, func(s Stage) bool { return s.Name == Logits }) {
		t.Errorf("a fresh classifier is compared: %+v, %v", got, err)
	}
}
