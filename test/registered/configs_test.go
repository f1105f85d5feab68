package registered

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"fasternet/configs"
)

type goodArch struct {
	Width int   `yaml:"width"`
	Sizes []int `yaml:"sizes" longest:"2"`
	Most  int   `yaml:"most_of_it" most:"7"`
}

func (goodArch) Check(configs.Model) *configs.Problem { return nil }

func init() {
	configs.RegisterFamily(configs.Family{Name: "good", Default: func() configs.Model {
		return configs.Model{Arch: goodArch{Width: 3}, InChans: 3}
	}})
}

// Integers of a family have a limit, even without a tag, and config show says so.
func TestLimitsOfRegistered(t *testing.T) {
	for _, c := range []struct{ name, setting, want string }{
		{"no tag", "model.width=65537", "model.width: want 65536 or less, got 65537"},
		{"no tag, in a list", "model.sizes=[1, 65537]", "model.sizes: want 65536 or less, got 65537"},
		{"longest", "model.sizes=[1, 2, 3]", "model.sizes: want 2 values or fewer, got 3"},
		{"most", "model.most_of_it=8", "model.most_of_it: want 7 or less, got 8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := configs.Parse("c.yaml", "model: {name: good}", c.setting); err == nil ||
				!strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	config, err := configs.Parse("c.yaml", "model: {name: good}")
	if err != nil {
		t.Fatal(err)
	}
	text, err := config.Commented()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"name: good # family of the model; there are fasternet, vit, swin, ", "width: 3 # at most 65536",
		"most_of_it: 0 # at most 7",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}

func TestRegisterPresets(t *testing.T) {
	configs.RegisterPresets(fstest.MapFS{
		"good_small.yaml":   {Data: []byte("# A small one\nbase: good_large\nmodel: {width: 2}\n")},
		"good_large.yaml":   {Data: []byte("# A large one\nmodel: {name: good, width: 9}\n")},
		"of_nobody.yaml":    {Data: []byte("model: {name: nobody}\n")}, // an unknown family
		"deeper/other.yaml": {Data: []byte("model: {name: good}\n")},
	})
	c, err := configs.Load("good_small", "train.epochs=20")
	if err != nil {
		t.Fatal(err)
	}
	if a, err := configs.ArchOf[goodArch](c.Model); err != nil || a.Width != 2 {
		t.Errorf("%+v, %v", a, err)
	}
	names := configs.Presets()
	if !slices.IsSorted(names) ||
		!slices.Contains(names, "good_small") ||
		slices.Contains(names, "of_nobody") ||
		slices.Contains(names, "other") {
		t.Errorf("presets %v", names)
	}
	if text, err := configs.PresetText("good_small"); err != nil || !strings.HasPrefix(text, "# A small one") {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := configs.Load("good_smal"); err == nil || !strings.Contains(err.Error(), "did you mean good_small?") {
		t.Errorf("got %v", err)
	}
	for _, files := range []fstest.MapFS{{}, {"quickstart.yaml": {}}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%v is accepted", files)
				}
			}()
			configs.RegisterPresets(files)
		}()
	}
}
