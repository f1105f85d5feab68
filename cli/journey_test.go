package cli

import (
	"path/filepath"
	"testing"

	"fasternet/internal/golden"
)

// Weights from PyTorch give the reference's logits on every way: directly, converted, renamed, or exported.
func TestJourney(t *testing.T) {
	_, images, want := referenceModel(t)
	weights := golden.Path(t, "fasternet_small_gelu.pth")
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	const gelu = "model.act_layer=gelu"
	succeed(t, "convert", weights, at("ours.safetensors"), "--set", gelu, "--set", "data.image_size=64")
	succeed(t, "convert", at("ours.safetensors"), at("timm.safetensors"), "--naming", "timm")
	succeed(t, "export", "--model", at("ours.safetensors"), "--out", at("folded.safetensors"))
	succeed(t, "export", "--model", weights, "--set", gelu, "--size", "64", "--out", at("graph.onnx"))
	for _, c := range [][]string{
		{"--model", weights, "--set", gelu},
		{"--model", at("ours.safetensors")},
		{"--model", at("timm.safetensors"), "--set", gelu},
		{"--model", at("folded.safetensors")},
		{"--model", at("graph.onnx")},
	} {
		out := at("logits.safetensors")
		if r := invoke(t, append([]string{"predict", images, "--logits", out}, c...)...); r.code != 0 {
			t.Fatalf("%v: %+v", c, r)
		}
		golden.CheckRel(t, c[1], readTensor(t, out, "logits").F32, want["eval_logits"].Data, 3e-5)
	}
	fail(t, 2, "random answers", "predict", images, "--model", weights, "--set", gelu, "--set", "model.num_classes=4")
	fail(t, 2, "is an export, which", "convert", at("folded.safetensors"), at("back.safetensors"))
	fail(t, 1, "cannot be trained",
		"train", "quickstart", "--data", fashion(t, 200, 50), "--from", at("folded.safetensors"), "--run",
		at("run"))
}
