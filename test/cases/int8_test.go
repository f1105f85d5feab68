package cases

import (
	"fmt"
	"image"
	"image/color"
	"math/rand/v2"
	"path/filepath"
	"testing"
)

// blurred is an image around the colour of a class, but for a shift of its own: classes overlap.
func blurred(class, seed int) *image.RGBA {
	r := rand.New(rand.NewPCG(uint64(class), uint64(seed)))
	var base [3]int
	for i := range base {
		base[i] = 110 + r.IntN(61) - 30
	}
	base[class] += 35
	img := image.NewRGBA(image.Rect(0, 0, 32, 32))
	for y := range 32 {
		for x := range 32 {
			var v [3]uint8
			for i, b := range base {
				v[i] = uint8(b + r.IntN(81) - 40)
			}
			img.SetRGBA(x, y, color.RGBA{v[0], v[1], v[2], 255})
		}
	}
	return img
}

// Transformers are exported in 8 bits with the accuracy that they have in float32, and all commands
// take the file like any other.
func TestInt8Transformers(t *testing.T) {
	f := newFolder(t)
	for class := range 3 {
		for i := range 40 {
			f.write(fmt.Sprintf("base/train/%c/%03d.png", 'a'+class, i), pngBytes(t, blurred(class, i)))
		}
		for i := range 100 {
			f.write(fmt.Sprintf("base/val/%c/%03d.png", 'a'+class, i), pngBytes(t, blurred(class, 500+i)))
		}
	}
	for _, c := range []struct{ name, model, layer string }{
		{"vit", tinyViT, "blocks.1.mlp.fc2"}, {"swin", tinySwin, "layers.0.downsample.reduction"},
	} {
		config, run, file := c.name+".yaml", filepath.Join("runs", c.name), c.name+".safetensors"
		f.config(config, c.model)
		f.run("train", config, "--run", run, "--set", "train.epochs=4").exits(0)
		o := f.run("export", run, "--out", file, "--int8", "--report", "--calibration-images", "60").exits(0)
		v := o.says(c.layer, "patch_embed.proj", "top-1 on 300 validation images").json()
		float, int8 := v["top1_float32"].(float64), v["top1_int8"].(float64)
		if float < 50 || float-int8 > 1 || v["precision"] != "int8" {
			t.Errorf("%s: top-1 %.2f %% in float32, %.2f %% in 8 bits, %v", c.name, float, int8, v["precision"])
		}
		if got := f.run("eval", file, "--json").exits(0).json()["top1"].(float64); got != int8 {
			t.Errorf("%s: eval says %.2f %% of the file, export said %.2f %%", c.name, got, int8)
		}
		f.run("predict", file, "base/val/a/000.png").exits(0).says("a")
		f.run("bench", file, "--iterations", "2", "--warmup", "0", "--batch", "2").exits(0).says("img/s")
		if c.name == "swin" {
			continue // the options are the same
		}
		o = f.run("export", run, "--out", "float.safetensors", "--int8", "--max-loss", "5",
			"--calibration", "minmax", "--calibration-images", "40", "--float", c.layer).exits(0)
		if layers := fmt.Sprint(o.json()["float_layers"]); layers != "["+c.layer+"]" {
			t.Errorf("%s: in float32 are %s", c.name, layers)
		}
		f.run("export", run, "--out", "no.safetensors", "--int8", "--float", "nothing").exits(1).
			says(`no layer has the name "nothing"`, c.layer)
		f.run("export", run, "--out", "few.safetensors", "--int8", "--calibration-images", "1", "--max-loss", "100").
			exits(0).says("few images (1)")
	}
}
