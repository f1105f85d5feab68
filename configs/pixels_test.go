package configs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/configs"
)

// A ratio that the user sets has an effect, or is refused.
func TestTestCropRatioHasAnEffect(t *testing.T) {
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "my.yaml")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		name     string
		source   string
		settings []string
		crop     string // or an error
		note     bool
	}{
		{"a preset", "fasternet_t0", nil, "auto", false},
		{"a preset at 384", "fasternet_t0", []string{"data.image_size=384"}, "auto", true},
		{"set", "fasternet_t0", []string{"data.image_size=384", "data.test_crop_ratio=0.95"}, "center", false},
		{"set at 32", "fasternet_t0", []string{"data.image_size=32", "data.test_crop_ratio=0.95"}, "center", false},
		{
			"set to the same", "fasternet_t0",
			[]string{"data.image_size=384", "data.test_crop_ratio=0.9"},
			"center", false,
		},
		{
			"set by a file",
			file("base: fasternet_t0\ndata: {image_size: 384, test_crop_ratio: 0.95}"),
			nil, "center", false,
		},
		{
			"set by a nested base",
			file("base: " + file("data: {test_crop_ratio: 0.95}") + "\ndata: {image_size: 384}"),
			nil, "center", false,
		},
		{"a file without", file("base: fasternet_t0\ndata: {image_size: 384}"), nil, "auto", true},
		{
			"with its mode",
			file("data: {image_size: 384, test_crop: center, test_crop_ratio: 0.95}"),
			nil, "center", false,
		},
		{"squash", file("data: {image_size: 64, test_crop: squash}"), nil, "squash", false},
		{
			"squash with a ratio",
			file("data: {image_size: 64, test_crop: squash, test_crop_ratio: 0.95}"),
			nil,
			"data.test_crop_ratio: has no effect with data.test_crop squash",
			false,
		},
		{
			"auto at 384",
			file("data: {image_size: 384, test_crop: auto, test_crop_ratio: 0.95}"),
			nil,
			"does not apply to all images with data.test_crop auto",
			false,
		},
		{"auto at 224", file("data: {image_size: 224, test_crop: auto, test_crop_ratio: 0.95}"), nil, "auto", false},
		{
			"of a wrong kind", file("data: {test_crop: centre}"), nil,
			"data.test_crop: want auto or center or squash",
			false,
		},
		{"of nothing", "fasternet_t0", []string{"data.test_crop_ratio=0"}, "want a number from 0.01 to 1", false},
	} {
		config, err := configs.Load(c.source, c.settings...)
		if err != nil {
			if !strings.Contains(err.Error(), c.crop) {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if config.Data.TestCrop != c.crop {
			t.Errorf("%s: %s, want %s", c.name, config.Data.TestCrop, c.crop)
		}
		noted := strings.Contains(strings.Join(config.Notes, "\n"), "has no effect at data.image_size 384")
		if noted != c.note {
			t.Errorf("%s: notes %q", c.name, config.Notes)
		}
	}
}

// A recorded configuration keeps its meaning, even if it is older than a key or a setting changes it.
func TestRecordedConfigurations(t *testing.T) {
	config, err := configs.Load("fasternet_t0", "data.image_size=384", "data.orientation=exif")
	if err != nil {
		t.Fatal(err)
	}
	text, err := config.YAML()
	if err != nil {
		t.Fatal(err)
	}
	older := ""
	for _, line := range strings.SplitAfter(string(text), "\n") {
		if !strings.Contains(line, "  orientation:") &&
			!strings.Contains(line, "  sixteen_bit:") &&
			!strings.Contains(line, "  test_crop:") {
			older += line
		}
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(older), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, text string
		settings   []string
		want       [3]string
	}{
		{"recorded", string(text), nil, [3]string{"exif", "scale", "auto"}},
		{
			"recorded, with a ratio", string(text), []string{"data.test_crop_ratio=0.8"},
			[3]string{"exif", "scale", "center"},
		},
		{"recorded, with a size", string(text), []string{"data.image_size=448"}, [3]string{"exif", "scale", "auto"}},
		{"older", older, nil, [3]string{"ignore", "clip", "auto"}},
		{
			"older, changed", older,
			[]string{"data.orientation=exif", "data.test_crop_ratio=0.8"},
			[3]string{"exif", "clip", "center"},
		},
		{"new", "data: {dir: x}", nil, [3]string{"exif", "scale", "auto"}},
	} {
		config, err := configs.Parse("config in the checkpoint", c.text, c.settings...)
		if err != nil {
			t.Fatal(err)
		}
		if d := config.Data; [3]string{d.Orientation, d.SixteenBit, d.TestCrop} != c.want {
			t.Errorf("%s: %s, %s, %s, want %v", c.name, d.Orientation, d.SixteenBit, d.TestCrop, c.want)
		}
	}
	mine := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(mine, []byte("base: "+path+"\ndata: {test_crop_ratio: 0.8}"), 0o644); err != nil {
		t.Fatal(err)
	}
	config, err = configs.Load(mine)
	if err != nil || config.Data.TestCrop != "center" || config.Data.Orientation != "ignore" {
		t.Errorf("a file that starts from an older one: %+v, %v", config, err)
	}
	if config, err = configs.Load(path); err != nil || config.Data.Orientation != "ignore" {
		t.Errorf("a file of an older run: %+v, %v", config, err)
	}
}

// Published recipes ignore orientation, as the original code does; others do not.
func TestOrientationOfPresets(t *testing.T) {
	for _, name := range configs.Presets() {
		config, err := configs.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		want := "exif"
		if config.Data.Name == "imagefolder" {
			want = "ignore"
		}
		if config.Data.Orientation != want {
			t.Errorf("%s: %s, want %s", name, config.Data.Orientation, want)
		}
	}
}
