//go:build unix

package cases

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/formats"
	"fasternet/infer"
)

// trained makes the data set base, of three classes, and trains a model on it.
func (f folder) trained(model string) {
	f.t.Helper()
	f.imageFolders("base", []string{"cat", "dog", "owl"}, 16, 8)
	f.config("t.yaml", model)
	f.run("train", "t.yaml", "--run", "run", "--set", "train.epochs=8", "--set", "optim.lr=1e-2").exits(0)
}

// predicted returns the answer of predict for an image.
type predicted struct {
	File    string
	Classes []class `json:"predictions"`
}

type class struct {
	Index int
	Label string
	Prob  float64
}

func (f folder) predicts(model string) []predicted {
	f.t.Helper()
	o := f.run("predict", model, "base/val", "--json").exits(0)
	var all struct{ Images []predicted }
	if err := json.Unmarshal([]byte(o.stdout), &all); err != nil {
		f.t.Fatalf("%v\n%s", err, o.stdout)
	}
	return all.Images
}

// same compares two lists of classes. predict prints seven digits.
func same(t *testing.T, what string, got, want []class) {
	t.Helper()
	ok := len(got) == len(want)
	for i := range min(len(got), len(want)) {
		a, b := got[i], want[i]
		ok = ok && a.Index == b.Index && a.Label == b.Label && math.Abs(a.Prob-b.Prob) <= 1e-6
	}
	if !ok {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// A model in 8 bits works like any other: eval, predict, serve and the package infer give the same
// results, in both formats.
func TestInt8Everywhere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, model string }{
		{"FasterNet", tinyFasterNet},
		{"ViT", tinyViT},
		{"Swin", tinySwin},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFolder(t)
			f.trained(c.model)
			f.usedInInt8()
		})
	}
}

func (f folder) usedInInt8() {
	f.t.Helper()
	t := f.t
	one := f.run("export", "run", "--out", "m.safetensors", "--int8").exits(0).
		says("top-1 on 24 validation images").json()
	if one["precision"] != "int8" || one["calibration_images"] != 48.0 {
		t.Fatalf("%v", one)
	}
	if one["top1_float32"].(float64) < 90 || one["top1_int8"].(float64) < 90 {
		t.Fatalf("%v", one)
	}
	f.run("export", "run", "--out", "o.onnx", "--int8", "--opset", "20").exits(0)
	want := f.predicts("m.safetensors")
	if len(want) != 24 {
		t.Fatalf("%d predictions", len(want))
	}
	float := f.predicts("run")
	if len(float) != len(want) || float[0].Classes[0].Prob == want[0].Classes[0].Prob {
		t.Error("the model in 8 bits gives what the one in float32 gives")
	}
	s := f.serves(nil, "m.safetensors", "o.onnx")
	for _, file := range []string{"m.safetensors", "o.onnx"} {
		if top1 := f.run("eval", file, "--data", "base").exits(0).json()["top1"]; top1 != one["top1_int8"] {
			t.Errorf("eval %s: top-1 %v, export says %v", file, top1, one["top1_int8"])
		}
		for i, p := range f.predicts(file) {
			same(t, "predict "+file+" "+p.File, p.Classes, want[i].Classes)
		}
		m, err := infer.Open(f.file(file))
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Info().Precision; got != "int8" {
			t.Errorf("infer %s: precision %q", file, got)
		}
		for _, p := range want {
			photo := f.read(p.File)
			classes, err := m.ClassifyBytes(context.Background(), photo)
			if err != nil {
				t.Fatal(err)
			}
			var got []class
			for _, c := range classes[0] {
				got = append(got, class{c.Index, c.Label, c.Prob})
			}
			same(t, "infer "+file+" "+p.File, got, p.Classes)
			reply, err := http.Post(s.url+"classify?model="+file[:1], "image/png", bytes.NewReader(photo))
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(reply.Body)
			reply.Body.Close()
			var answer struct{ Results []struct{ Classes []class } }
			if err := json.Unmarshal(body, &answer); err != nil || len(answer.Results) != 1 {
				t.Fatalf("%s %s: %v", reply.Status, body, err)
			}
			same(t, "serve "+file+" "+p.File, answer.Results[0].Classes, p.Classes)
		}
		m.Close()
	}
	s.stops()
}

// rescaled changes the checkpoint of a run so that it computes the same in float32, but has one channel
// with far larger values than the others: 256 steps are not enough for both.
func (f folder) rescaled(to string) {
	f.t.Helper()
	file, err := checkpoints.Read(f.file("run/checkpoints/best.safetensors"))
	if err != nil {
		f.t.Fatal(err)
	}
	const channel, factor = 7, 1e5
	values := func(name string) formats.Tensor {
		for _, x := range file.Tensors {
			if x.Name == name {
				return x
			}
		}
		f.t.Fatalf("there is no tensor %s", name)
		return formats.Tensor{}
	}
	for _, name := range []string{"patch_embed.norm.weight", "patch_embed.norm.bias"} {
		values(name).F32[channel] *= factor
	}
	// The weights that read the channel.
	for _, name := range []string{"stages.0.blocks.0.mlp.0.weight", "stages.1.reduction.weight"} {
		x := values(name)
		taps := len(x.F32) / x.Shape[0] / x.Shape[1]
		for i := range x.F32 {
			if i/taps%x.Shape[1] == channel {
				x.F32[i] /= factor
			}
		}
	}
	x := values("stages.0.blocks.0.mlp.3.weight") // the values that are added to it
	for i := range x.F32 {
		if i/(len(x.F32)/x.Shape[0]) == channel {
			x.F32[i] *= factor
		}
	}
	if err := checkpoints.Write(f.file(to), *file); err != nil {
		f.t.Fatal(err)
	}
}

// A model that loses too much accuracy is not written in either format, and an older file stays; --report
// shows the layers that cause it, --float keeps them in float32.
func TestInt8LosesTooMuch(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.trained(tinyFasterNet)
	f.rescaled("odd.safetensors")
	export := func(out string, more ...string) outcome {
		return f.run(append([]string{"export", "odd.safetensors", "--out", out, "--int8"}, more...)...)
	}
	f.write("there.safetensors", []byte("precious"))
	for _, out := range []string{"m.safetensors", "m.onnx", "there.safetensors"} {
		export(out).exits(1).says("top-1 falls from", "nothing is written", "--report", "--float", "--max-loss")
		if out == "there.safetensors" {
			if string(f.read(out)) != "precious" {
				t.Errorf("%s was changed", out)
			}
		} else if _, err := os.Lstat(f.file(out)); err == nil {
			t.Errorf("%s is there", out)
		}
	}
	if left, _ := filepath.Glob(f.file("*part*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	lost := export("m.safetensors", "--max-loss", "100", "--report").exits(0).json()
	if lost["top1_float32"].(float64)-lost["top1_int8"].(float64) < 10 {
		t.Fatalf("the model lost little: %v", lost)
	}
	worst := slices.MinFunc(lost["layers"].([]any), func(a, b any) int {
		alone := func(v any) float64 {
			m := v.(map[string]any)
			if m["format"] != "int8" {
				return math.Inf(1)
			}
			return m["sqnr_alone_db"].(float64)
		}
		return int(100 * (alone(a) - alone(b)))
	}).(map[string]any)["name"].(string)
	if !strings.HasPrefix(worst, "stages.0") && worst != "stages.1" {
		t.Errorf("the report blames %s", worst)
	}
	f.run("eval", "m.safetensors", "--data", "base").exits(0)
	export("kept.safetensors", "--float", "stages.0.*", "--float", "stages.1").exits(0).says("float_layers")
}

// Checks the notes and errors about images and weights.
func TestInt8Notes(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.trained(tinyFasterNet)
	export := func(model, out string, more ...string) outcome {
		return f.run(append([]string{"export", model, "--out", out, "--int8"}, more...)...)
	}
	const few, none, all = "few.safetensors", "n.safetensors", "100"
	export("run", few, "--calibration-images", "3", "--max-loss", all).exits(0).says("few images (3)")
	export("run", none, "--float", "nothing").exits(1).
		says(`no layer has the name "nothing"; there are stages.0.blocks.0`)
	export("run", none, "--float", "*").exits(1).says("all layers stay in float32")
	export(few, none, "--data", "base").exits(1).says("is already in 8 bits")
	f.run("export", "vit_small", "--out", "n.onnx", "--int8", "--dynamic-size").exits(2).
		says("--dynamic-size: its").hides("measuring")

	changed := func(to string, change func(name string, v []float32)) {
		file, err := checkpoints.Read(f.file("run/checkpoints/best.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range file.Tensors {
			change(x.Name, x.F32)
		}
		if err := checkpoints.Write(f.file(to), *file); err != nil {
			t.Fatal(err)
		}
	}
	changed("constant.safetensors", func(name string, v []float32) {
		if name == "patch_embed.norm.weight" {
			v[3] = 0
		}
	})
	export("constant.safetensors", "c.safetensors", "--max-loss", all).exits(0).
		says("have the same value in all images")
	changed("nan.safetensors", func(name string, v []float32) {
		if name == "stages.2.blocks.0.mlp.0.weight" {
			v[3] = float32(math.NaN())
		}
	})
	export("nan.safetensors", none).exits(1).says("stages.2.blocks.0.mlp.0.weight", "NaN")
	if _, err := os.Lstat(f.file(none)); err == nil {
		t.Errorf("%s is there", none)
	}
	// Grey images become colour images for a colour model, and the reverse.
	for i := range 32 {
		class, shade := []string{"cat", "dog", "owl"}[i%3], 5000+9000*(i%3)
		f.write(fmt.Sprintf("grey/train/%s/%d.png", class, i), pngBytes(t, deep(shade, i)))
		f.write(fmt.Sprintf("grey/val/%s/%d.png", class, i), pngBytes(t, deep(shade, 100+i)))
	}
	export("run", "g.safetensors", "--data", "grey", "--max-loss", all).exits(0)
}

// Every command that reads models refuses a bad file, and names it.
func TestHostileInt8(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.trained(tinyFasterNet)
	f.run("export", "run", "--out", "m.safetensors", "--int8", "--max-loss", "100").exits(0)
	whole := f.read("m.safetensors")
	const weight, grid = "stages.0.blocks.0.mlp.3.weight", "stages.1.output"
	const scales, zero = weight + "_scale", grid + "_zero_point"
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	scale := func(v float32) func(x *formats.Tensor) { return func(x *formats.Tensor) { x.F32[0] = v } }
	for _, c := range []struct {
		name, tensor string
		change       func(x *formats.Tensor)
		says         []string
	}{
		{"scale 0", scales, scale(0), []string{weight, "its scale is 0"}},
		{"scale NaN", scales, scale(nan), []string{weight, "its scale is NaN"}},
		{"scale Inf", scales, scale(inf), []string{weight, "its scale is +Inf"}},
		{"scale too large", scales, scale(1e29), []string{weight, "too large"}},
		{"bias NaN", weight + "_bias", scale(nan), []string{weight, "its bias is NaN"}},
		{"grid 0", grid + "_scale", scale(0), []string{"stages.1", "its scale is 0"}},
		{"grid NaN", grid + "_scale", scale(nan), []string{"stages.1", "its scale is NaN"}},
		{"zero point", zero, func(x *formats.Tensor) { x.I64[0] = -1 },
			[]string{zero, "want one integer from 0 to 255"}},
		{"shape of scales", scales, func(x *formats.Tensor) {
			x.Shape, x.F32 = []int{1}, x.F32[:1]
		}, []string{scales, "has shape [1]"}},
		{"shape of a weight", weight, func(x *formats.Tensor) {
			x.Shape = []int{x.Shape[0], x.Shape[1] / 2, 2, 1}
		}, []string{weight, "has shape"}},
		{"no scales", scales, func(x *formats.Tensor) { x.Name = "another" }, []string{scales + " is missing"}},
		{"no weight", weight, func(x *formats.Tensor) {
			x.Name = "another.weight"
		}, []string{"another.weight_scale is missing"}},
		{"a weight of floats", weight, func(x *formats.Tensor) { x.DType = 0 }, []string{"stages.0.blocks.0"}},
		{"scales of integers", scales, func(x *formats.Tensor) {
			x.I64, x.F32 = make([]int64, len(x.F32)), nil
		}, []string{scales, "float32"}},
		{"zero point of floats", zero, func(x *formats.Tensor) { x.I64, x.F32 = nil, []float32{3} }, []string{zero}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file, err := checkpoints.Read(f.file("m.safetensors"))
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(file.Tensors, func(x formats.Tensor) bool { return x.Name == c.tensor })
			c.change(&file.Tensors[i])
			name := strings.ReplaceAll(c.name, " ", "_") + ".safetensors"
			if err := checkpoints.Write(f.file(name), *file); err != nil {
				t.Fatal(err)
			}
			verify := c.name != "scale too large" // it appears only when the model computes
			folder{t, f.path}.refused(name, verify, c.says...)
		})
	}
	for _, n := range []int{0, 7, 100, len(whole) / 2, len(whole) - 1} {
		name := fmt.Sprintf("cut_%d.safetensors", n)
		f.write(name, whole[:n])
		f.refused(name, true, name)
	}
}

// refused fails unless every command that reads a model refuses a file with the words; verify is optional.
func (f folder) refused(name string, verify bool, words ...string) {
	f.t.Helper()
	commands := [][]string{
		{"predict", name, "base/val/cat/000.png"}, {"eval", name, "--data", "base"},
		{"serve", name, "--addr", "127.0.0.1:0"},
	}
	if verify {
		commands = append(commands, []string{"verify", name})
	}
	for _, args := range commands {
		o := f.run(args...)
		if o.code == 0 || strings.Contains(o.stderr, "panic") || strings.Contains(o.stderr, "goroutine ") {
			f.t.Errorf("%v: exit code %d\n%s%s", args, o.code, o.stdout, o.stderr)
		}
		o.says(words...)
	}
	m, err := infer.Open(f.file(name))
	if err == nil {
		m.Close()
		f.t.Fatalf("infer opens %s", name)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			f.t.Errorf("infer says %v, want %q", err, w)
		}
	}
}

// Images that cannot be read are named; with data.on_bad_image=skip others take their places, as in training.
func TestInt8BadImages(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.trained(tinyFasterNet)
	f.write("base/train/dog/003.png", []byte("no image"))
	f.write("base/val/cat/001.png", []byte("no image"))
	f.run("export", "run", "--out", "m.onnx", "--int8").exits(1).says("train/dog/003.png")
	f.run("export", "run", "--out", "m.onnx", "--int8", "--set", "data.on_bad_image=skip").exits(0)
	o := f.run("export", "run", "--out", "m.onnx", "--int8", "--on-bad-image", "skip").exits(0).
		says("1 training image cannot be read", "top-1 on 23 validation images").json()
	if o["calibration_images"] != 48.0 {
		t.Errorf("%v", o)
	}
	f.run("export", "run", "--out", "n.onnx", "--int8", "--opset", "28").exits(2).says("want 13 to 27 with --int8")
	f.run("export", "m.onnx", "--out", "n.onnx", "--opset", "28").exits(1).says("want 13 to 27 for an int8 model")
	f.run("export", "m.onnx", "--out", "n.onnx", "--opset", "27", "--uint8-input", "--dynamic-size").exits(0)
}
