package preprocess_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"fasternet/configs"
	"fasternet/data/picture"
	"fasternet/data/preprocess"
	_ "fasternet/graph/families"
)

func image(height, width int) *picture.Image {
	m := picture.NewImage(height, width, 3)
	r := rand.New(rand.NewPCG(uint64(height), uint64(width)))
	for i := range m.Pix {
		m.Pix[i] = uint8(r.Uint32())
	}
	return m
}

// byMetadata prepares an image by its metadata alone.
func byMetadata(t *testing.T, meta map[string]string, m *picture.Image) []float32 {
	t.Helper()
	list := func(key string) (v []float64) {
		if err := json.Unmarshal([]byte(meta[key]), &v); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		return v
	}
	size := int(list(preprocess.InputSizeKey)[1])
	ratio, err := strconv.ParseFloat(meta[preprocess.CropRatioKey], 64)
	if err != nil {
		t.Fatal(err)
	}
	resize := func(height, width int) {
		filter := picture.Interpolation(meta[preprocess.InterpolationKey])
		if m, err = picture.Resize(m, height, width, filter); err != nil {
			t.Fatal(err)
		}
	}
	unscaled := false
	if meta[preprocess.UnscaledKey] != "" {
		sides := list(preprocess.UnscaledKey)
		unscaled = min(m.Height, m.Width) >= int(sides[0]) && max(m.Height, m.Width) <= int(sides[1])
	}
	switch {
	case unscaled:
	case meta[preprocess.CropModeKey] == "squash":
		resize(size, size)
	default:
		short := int(float64(size) / ratio)
		resize(short*m.Height/min(m.Height, m.Width), short*m.Width/min(m.Height, m.Width))
	}
	m = picture.CentreCrop(m, size, size)
	mean, std := list(preprocess.MeanKey), list(preprocess.StdKey)
	out := make([]float32, len(m.Pix))
	for i, v := range m.Pix {
		out[i] = float32((float64(v)/255 - mean[i%3]) / std[i%3])
	}
	return out
}

// The metadata of an export describes exactly what evaluation does, at all sizes and with all
// settings.
func TestMetadataIsTheTransform(t *testing.T) {
	for _, c := range []struct {
		settings []string
		mode     string
		ratio    float64
		unscaled string
	}{
		{[]string{"data.image_size=224"}, "center", 0.9, ""},
		{[]string{"data.image_size=64", "data.test_crop_ratio=0.5"}, "center", 0.5, ""},
		{[]string{"data.image_size=384"}, "squash", 1, ""},
		{[]string{"data.image_size=400", "data.interpolation=bilinear"}, "squash", 1, ""},
		{[]string{"data.image_size=384", "data.test_crop_ratio=0.8"}, "center", 0.8, ""},
		{[]string{"data.image_size=384", "data.test_crop=center"}, "center", 0.9, ""},
		{[]string{"data.image_size=64", "data.test_crop=squash"}, "squash", 1, ""},
		{[]string{"data.image_size=32"}, "center", 0.9, "[28,32]"},
		{[]string{"data.image_size=32", "data.test_crop_ratio=0.8"}, "center", 0.8, ""},
		{[]string{"data.image_size=32", "data.test_crop=squash"}, "squash", 1, ""},
	} {
		config, err := configs.Parse("test", "data: {dir: x}", c.settings...)
		if err != nil {
			t.Fatal(err)
		}
		p, err := preprocess.Of(config.Data, 3)
		if err != nil {
			t.Fatal(err)
		}
		meta, err := p.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		if meta[preprocess.CropModeKey] != c.mode ||
			meta[preprocess.CropRatioKey] != fmt.Sprint(c.ratio) ||
			meta[preprocess.UnscaledKey] != c.unscaled {
			t.Errorf("%v: %v", c.settings, meta)
		}
		for _, size := range [][2]int{{32, 32}, {28, 30}, {70, 111}, {500, 333}} {
			m := image(size[0], size[1])
			got := make([]float32, 3*config.Data.ImageSize*config.Data.ImageSize)
			if err := p.Transform.Apply(m, nil, got); err != nil {
				t.Fatal(err)
			}
			want := byMetadata(t, meta, m)
			for i, v := range got {
				if d := v - want[i]; d > 1e-5 || d < -1e-5 {
					t.Fatalf("%v, %v: value %d is %v, by the metadata %v", c.settings, size, i, v, want[i])
				}
			}
		}
	}
}

func TestDecoding(t *testing.T) {
	for _, c := range []struct {
		settings             []string
		orientation, sixteen string
		ignore, clip         bool
		says                 string
	}{
		{nil, "exif", "scale", false, false, "shorter side to 248 px (bicubic), centre of 224 px"},
		{
			[]string{"data.orientation=ignore"}, "ignore", "scale", true, false,
			"shorter side to 248 px (bicubic), centre of 224 px; EXIF orientation ignored",
		},
		{
			[]string{"data.sixteen_bit=clip", "data.image_size=384"}, "exif", "clip", false, true,
			"whole image squashed to 384×384 px (bicubic)",
		},
		{
			[]string{"data.image_size=32"}, "exif", "scale", false, false,
			"shorter side to 35 px (bicubic), centre of 32 px; images of 28 to 32 px are not resized",
		},
	} {
		config, err := configs.Parse("test", "data: {dir: x}", c.settings...)
		if err != nil {
			t.Fatal(err)
		}
		p, err := preprocess.Of(config.Data, 3)
		if err != nil {
			t.Fatal(err)
		}
		if p.Decoding != (picture.Decoding{IgnoreOrientation: c.ignore, Clip16Bit: c.clip}) {
			t.Errorf("%v: %+v", c.settings, p.Decoding)
		}
		meta, err := p.Metadata()
		if err != nil || meta[preprocess.OrientationKey] != c.orientation ||
			meta[preprocess.SixteenBitKey] != c.sixteen {
			t.Errorf("%v: %v, %v", c.settings, meta, err)
		}
		if got := p.String(); got != c.says {
			t.Errorf("%v: %q, want %q", c.settings, got, c.says)
		}
	}
}
