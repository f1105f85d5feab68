package onnxruntime_test

import (
	"testing"

	"fasternet/configs"
	"fasternet/export"
	"fasternet/export/quantise"
	"fasternet/internal/golden"
	"fasternet/model"

	ort "github.com/yalue/onnxruntime_go"
)

// families lists a small model of each family, for images of 32 pixels in three channels.
var families = []struct {
	name, yaml string
	anySize    bool // its export takes images of any size
}{
	{"fasternet",
		"{name: fasternet, embed_dim: 16, depths: [1, 2], feature_dim: 24, num_classes: 0, in_chans: 3}", true},
	{"vit", "{name: vit, embed_dim: 24, depth: 2, num_heads: 3, patch_size: 8, in_chans: 3, num_classes: 0}", false},
	{"swin", "{name: swin, embed_dim: 12, depths: [2, 2], num_heads: [2, 4], window_size: 4, patch_size: 4, " +
		"in_chans: 3, num_classes: 0}", false},
}

const familySize = 32

func family(t *testing.T, yaml string, settings ...string) *model.Loaded {
	t.Helper()
	c, err := configs.Parse("test",
		"model: "+yaml+"\ndata: {image_size: 32, mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.4], multi_scale: ''}",
		settings...)
	if err != nil {
		t.Fatal(err)
	}
	return folded(t, c)
}

// inInt8 makes a model in 8 bits.
func inInt8(t *testing.T, l *model.Loaded) *model.Loaded {
	t.Helper()
	size, n := l.Config.Data.ImageSize, 32
	q, err := quantise.Run(l.Config, l.Model, quantise.Images{
		Data: golden.Image("calibration", 1, n*size*size*l.Model.Channels()), Count: n, Height: size,
		Width: size, Channels: l.Model.Channels(),
	}, quantise.Options{})
	if err != nil {
		t.Fatal(err)
	}
	out := *l
	out.Model = q.Model
	return &out
}

// Runs every form of an export, for every family that has it. A value in float16 has 11 bits. A runtime
// rounds a value in 8 bits once more than our kernels, before the residual.
func TestForms(t *testing.T) {
	const exact, half, int8 = 1e-5, 0.02, 0.06
	sized := export.Options{Opset: 18, Dynamic: true}
	for _, f := range families {
		for _, c := range []struct {
			name          string
			o             export.Options
			int8          bool
			allowed       float64
			height, width int
		}{
			{"float32", export.Options{Opset: 17}, false, exact, familySize, familySize},
			{"float32 newest", export.Options{Opset: 23}, false, exact, familySize, familySize},
			{"float16", export.Options{Opset: 17, Half: true}, false, half, familySize, familySize},
			{"bytes", export.Options{Opset: 13, Pixels: true}, false, exact, familySize, familySize},
			{"bytes float16", export.Options{Opset: 18, Pixels: true, Half: true}, false, half, familySize, familySize},
			{"any size", sized, false, exact, familySize, familySize},
			{"any size other", sized, false, exact, 43, 64},
			{"any size bytes float16", export.Options{Opset: 21, Dynamic: true, Pixels: true, Half: true}, false,
				half, 43, 64},
			{"int8", export.Options{Opset: 17}, true, int8, familySize, familySize},
			{"int8 newest", export.Options{Opset: 23}, true, int8, familySize, familySize},
			{"int8 bytes", export.Options{Opset: 20, Pixels: true}, true, int8, familySize, familySize},
			{"int8 any size bytes", export.Options{Opset: 13, Dynamic: true, Pixels: true}, true, int8, 43, 64},
		} {
			if c.o.Dynamic && !f.anySize {
				continue
			}
			t.Run(f.name+" "+c.name, func(t *testing.T) {
				l := family(t, f.yaml)
				if c.int8 {
					l = inInt8(t, l)
				}
				m, err := export.ONNX(l, c.o)
				if err != nil {
					t.Fatal(err)
				}
				if c.o.Pixels {
					checkPixels(t, c.allowed, l, save(t, m), c.height, c.width, 2)
				} else {
					checkWithin(t, c.allowed, l.Model, save(t, m), c.height, c.width, 1, 3)
				}
			})
		}
	}
}

// checkPixels is checkWithin for a file that takes bytes: our own engine gets normalised values.
func checkPixels(t *testing.T, allowed float64, l *model.Loaded, path string, height, width, batch int) {
	t.Helper()
	channels, d := l.Model.Channels(), l.Config.Data
	bytes := make([]uint8, batch*height*width*channels)
	input, images := make([]float32, len(bytes)), make([]float32, len(bytes))
	for i, v := range golden.Unit("pixels", 1, len(bytes)) {
		bytes[i] = uint8(v * 255.99)
		input[i] = float32(bytes[i])
		images[i] = (input[i]/255 - float32(d.Mean[i%channels])) / float32(d.Std[i%channels])
	}
	in, err := ort.NewTensor(ort.NewShape(int64(batch), int64(height), int64(width), int64(channels)), bytes)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Destroy()
	want := ours(t, l.Model, batch, height, width, images)
	keep(t, path, allowed, []int{batch, height, width, channels}, input, l.Model.Classes(), want)
	compare(t, allowed, path, in, []int{batch, l.Model.Classes()}, want)
}
