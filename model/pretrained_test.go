package model_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/formats"
	"fasternet/formats/torch"
	"fasternet/graph"
	"fasternet/graph/localmim"
	"fasternet/graph/swin"
	"fasternet/graph/vit"
	"fasternet/internal/golden"
	"fasternet/model"
	"fasternet/ops"
)

const (
	smallViT  = "{name: vit, embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4, pos_embed: sincos}"
	smallSwin = "{name: swin, embed_dim: 8, depths: [1, 1], num_heads: [1, 2], window_size: 2, patch_size: 2}"
)

// official writes the state of a pre-training with the published names, without a configuration.
func official(t *testing.T, modelKeys, mim string) (path string, m *localmim.Model) {
	t.Helper()
	c, err := configs.Parse("test", "task: localmim\nmodel: "+modelKeys+"\nmim: "+mim+"\ndata: {image_size: 16}\n")
	if err != nil {
		t.Fatal(err)
	}
	if m, err = localmim.New(c, 7); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "pretrained.safetensors")
	if err := checkpoints.Write(path, checkpoints.File{
		Meta:    map[string]string{},
		Tensors: model.Tensors(m.Store()),
	}); err != nil {
		t.Fatal(err)
	}
	return path, m
}

func classifierOf(t *testing.T, modelKeys string, size string) (graph.Model, *configs.Config) {
	t.Helper()
	c, err := configs.Parse("test", "model: "+modelKeys+"\ndata: {image_size: "+size+"}\n")
	if err != nil {
		t.Fatal(err)
	}
	net, err := model.New(c, 3)
	if err != nil {
		t.Fatal(err)
	}
	return net, c
}

// An official ViT at another image size: positions are interpolated, the norms of the taps are dropped,
// and the new head is small.
func TestStartFromPretrainedViT(t *testing.T) {
	path, m := official(t, smallViT, "{taps: [1, 2], scales: [2, 1], decoder_dim: 8, decoder_heads: 2}")
	net, c := classifierOf(t, smallViT, "24")
	var table model.Table
	if err := model.Start(net, c, path, model.LoadOptions{Report: func(m model.Table) { table = m }}); err != nil {
		t.Fatal(err)
	}
	if len(table.Fresh) != 4 || len(table.Missing)+len(table.Unexpected) > 0 {
		t.Errorf("table: %s", table.Summary())
	}
	notes := strings.Join(table.Notes, "; ")
	if !strings.Contains(notes, "4×4 grid are interpolated for 6×6") || !strings.Contains(notes, "are not used") {
		t.Errorf("notes: %s", notes)
	}
	old, _ := m.Store().Lookup("pos_embed")
	now, _ := net.Store().Lookup("pos_embed")
	golden.CheckRel(
		t,
		"positions",
		now.Param.Data(),
		ops.ResizePositions(old.Buffer, 1, 16, [2]int{4, 4}, [2]int{6, 6}, ops.Pointwise),
		1e-6,
	)
	head, _ := net.Store().Lookup("head.weight")
	if top := slices.Max(head.Param.Data()); top <= 0 || top > 2e-4 {
		t.Errorf("largest weight of the head %v", top)
	}
	wide, c := classifierOf(t, strings.Replace(smallViT, "16", "32", 1), "16")
	if err := model.Start(wide, c, path, model.LoadOptions{}); err == nil ||
		!strings.Contains(err.Error(), "another model") {
		t.Errorf("a wider model: %v", err)
	}
}

// An official Swin: the prefix is removed, and the two middle neighbours of patch merging are swapped.
func TestStartFromPretrainedSwin(t *testing.T) {
	path, m := official(t, smallSwin, "{decoder_dim: 8, decoder_heads: 2, merge_order: official}")
	net, c := classifierOf(t, smallSwin, "16")
	if err := model.Start(net, c, path, model.LoadOptions{}); err != nil {
		t.Fatal(err)
	}
	old, _ := m.Store().Lookup("encoder.layers.0.downsample.reduction.weight")
	now, _ := net.Store().Lookup("layers.0.downsample.reduction.weight")
	for row := range 16 {
		a, b := old.Param.Data()[row*32:][:32], now.Param.Data()[row*32:][:32]
		if !slices.Equal(a[:8], b[:8]) ||
			!slices.Equal(a[8:16], b[16:24]) ||
			!slices.Equal(a[16:24], b[8:16]) ||
			!slices.Equal(a[24:], b[24:]) {
			t.Fatalf("row %d: %v became %v", row, a, b)
		}
	}
	_, again := official(t, smallSwin, "{decoder_dim: 8, decoder_heads: 2}")
	if err := model.StartPretraining(again, path, model.LoadOptions{}); err != nil {
		t.Fatal(err)
	}
	same, _ := again.Store().Lookup("encoder.layers.0.downsample.reduction.weight")
	if !slices.Equal(same.Param.Data(), now.Param.Data()) {
		t.Error("pre-training and fine-tuning use another order")
	}
}

// Patch merging is written in the order of the published code, and reads back as the same pre-training.
func TestExportPretraining(t *testing.T) {
	for _, order := range []string{"official", "swin"} {
		_, m := official(t, smallSwin, "{decoder_dim: 8, decoder_heads: 2, merge_order: "+order+"}")
		ts, err := model.ExportPretraining(m, torch.LocalMIM)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "w.safetensors")
		if err := checkpoints.Write(path, checkpoints.File{Tensors: ts}); err != nil {
			t.Fatal(err)
		}
		_, back := official(t, smallSwin, "{decoder_dim: 8, decoder_heads: 2, merge_order: "+order+"}")
		for _, p := range back.Store().Params() {
			clear(p.Data())
		}
		if err := model.StartPretraining(back, path, model.LoadOptions{}); err != nil {
			t.Fatal(err)
		}
		const name = "encoder.layers.0.downsample.reduction.weight"
		have, _ := m.Store().Lookup(name)
		got, _ := back.Store().Lookup(name)
		written := ts[slices.IndexFunc(ts, func(x formats.Tensor) bool { return x.Name == name })]
		if !slices.Equal(got.Param.Data(), have.Param.Data()) ||
			slices.Equal(written.F32, have.Param.Data()) != (order == "official") {
			t.Errorf("merge_order %s: the merging is not written in the official order, or not read back", order)
		}
	}
	if _, m := official(t, smallViT, "{taps: [1, 2], scales: [2, 1], decoder_dim: 8, decoder_heads: 2}"); m != nil {
		if _, err := model.ExportPretraining(m, torch.Timm); !errors.Is(err, model.ErrNaming) {
			t.Errorf("timm's names of a pre-training: %v", err)
		}
	}
}

// The tensors tell the encoder of an official pre-training without a configuration.
func TestEncoderOfPretraining(t *testing.T) {
	for _, k := range []struct{ model, mim string }{
		{smallViT, "{taps: [1, 2], scales: [2, 1], decoder_dim: 8, decoder_heads: 2}"},
		{smallSwin, "{decoder_dim: 8, decoder_heads: 2, merge_order: official}"},
	} {
		path, _ := official(t, k.model, k.mim)
		o := model.LoadOptions{Settings: []string{"model.num_heads=2"}}
		if strings.Contains(k.model, "swin") {
			o.Settings = nil
		}
		if _, err := model.Open(path, o); err == nil ||
			!strings.Contains(err.Error(), "comes from a pre-training (task localmim): it has no classifier") {
			t.Errorf("with a classifier: %v", err)
		}
		o.Encoder = true
		l, err := model.Open(path, o)
		if err != nil {
			t.Fatal(err)
		}
		m := l.Config.Model
		v, isViT := m.Arch.(vit.Config)
		s, isSwin := m.Arch.(swin.Config)
		if isViT && (!v.GlobalPool || v.EmbedDim > 16) || isSwin && s.EmbedDim > 16 || !isViT && !isSwin {
			t.Errorf("taken for %+v", m)
		}
	}
}
