package sets_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/picture"
	"fasternet/data/sets"
	_ "fasternet/graph/families"
)

// dots is a data set in memory.
type dots struct{ n, level int }

func (d dots) Len() int        { return d.n }
func (dots) Classes() []string { return []string{"a", "b"} }
func (dots) Label(i int) int   { return i % 2 }
func (dots) Name(i int) string { return "dot" }
func (d dots) Image(int) (*picture.Image, error) {
	return &picture.Image{Pix: []uint8{uint8(d.level)}, Height: 1, Width: 1, Channels: 1}, nil
}

type dotOptions struct {
	Count int      `yaml:"count" doc:"images"`
	Level uint8    `yaml:"level" doc:"their grey"`
	Names []string `yaml:"names,flow" doc:"what they are called"`
}

func init() {
	sets.Register(sets.Format{
		Name: "dots", Doc: "dots of one pixel", Keys: []string{"train"}, Example: "some", Signs: []string{"*.dots"},
		Options: func() any { return &dotOptions{Count: 10, Level: 7} },
		Open: func(p *sets.Part) (data.Dataset, error) {
			o := p.Options.(*dotOptions)
			if p.File == "none" {
				return nil, nil
			}
			return dots{o.Count, int(o.Level)}, nil
		},
	})
}

func TestRegisteredFormat(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	base := write("base.yaml", "data:\n  name: dots\n  dir: "+dir+"\n  options: {count: 4, level: 200}\n")
	for _, c := range []struct {
		name     string
		text     string
		settings []string
		want     configs.Options
	}{
		{"defaults", "data: {name: dots, dir: x}", nil, configs.Options{"count": 10, "level": 7, "names": []any{}}},
		{
			"of a base, key by key", "base: " + base + "\ndata: {options: {level: 3}}", nil,
			configs.Options{"count": 4, "level": 3, "names": []any{}},
		},
		{
			"of a setting", "base: " + base,
			[]string{"data.options.count=6", "data.options.names=[x, y]"},
			configs.Options{"count": 6, "level": 200, "names": []any{"x", "y"}},
		},
		{"of another format", "base: " + base + "\ndata: {name: packed}", nil, nil},
		{
			"of another format and back", "base: " + base + "\ndata: {name: packed}",
			[]string{"data.name=dots"}, configs.Options{"count": 10, "level": 7, "names": []any{}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, err := configs.Load(write("c.yaml", c.text), c.settings...)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(config.Data.Options, c.want) {
				t.Errorf("%#v, want %#v", config.Data.Options, c.want)
			}
			// The configuration written to a file means the same.
			text, err := config.YAML()
			if err != nil {
				t.Fatal(err)
			}
			again, err := configs.Parse("again", string(text))
			if err != nil || !reflect.DeepEqual(again.Data, config.Data) {
				t.Errorf("%+v, %v; want %+v", again, err, config.Data)
			}
		})
	}
	config, err := configs.Load(base)
	if err != nil {
		t.Fatal(err)
	}
	train, val, err := sets.OpenBoth(t.Context(), config.Data)
	if err != nil || train.Len() != 4 || val.Len() != 4 {
		t.Fatalf("%v, %v, %v", train, val, err)
	}
	if m, err := train.Image(0); err != nil || m.Pix[0] != 200 {
		t.Errorf("%v, %v", m, err)
	}
	config.Data.Options = configs.Options{"count": "many"} // by a program
	if _, err := sets.Open(t.Context(), config.Data, true); err == nil ||
		err.Error() != `config: data.options.count: want an integer, got "many"` {
		t.Errorf("%v", err)
	}
	config.Data.Options, config.Data.Train = nil, "none"
	if _, err := sets.Open(t.Context(), config.Data, true); err == nil ||
		!strings.Contains(err.Error(), "dots returned neither a data set nor an error") {
		t.Errorf("%v", err)
	}
	if got := sets.FormatIn(dir); got != "imagefolder" {
		t.Errorf("a folder without signs is %s", got)
	}
	write("x.dots", "")
	if got := sets.FormatIn(dir); got != "dots" {
		t.Errorf("a folder with the sign of dots is %s", got)
	}
}

// A checkpoint may come from a program with other formats and augmentations. Its weights can be
// used; to open the data is an error that says what is missing.
func TestUnknownNames(t *testing.T) {
	const text = "data: {name: hexagons, dir: x, options: {side: 3}}\n" +
		"augment: {extra: [{name: glow, prob: 0.5, radius: 2}]}\n"
	c, err := configs.Parse("config in the checkpoint", text)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c.Data.Options, configs.Options{"side": 3}) || len(c.Augment.Extra) != 1 ||
		c.Augment.Extra[0].Options["radius"] != 2 {
		t.Errorf("%+v, %+v", c.Data.Options, c.Augment.Extra)
	}
	if _, err := sets.Open(t.Context(), c.Data, true); err == nil ||
		!strings.Contains(err.Error(), `data.name: no data set is called "hexagons"`) {
		t.Errorf("%v", err)
	}
	if _, err := configs.Parse("config in the checkpoint", text, "data.name=octagons"); err == nil ||
		!strings.Contains(err.Error(), "--set data.name=octagons: data.name: want imagefolder or ") {
		t.Errorf("%v", err)
	}
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := configs.Load(path); err == nil ||
		!strings.Contains(err.Error(), "c.yaml:1: data.name: want") &&
			!strings.Contains(err.Error(), "c.yaml:2: augment.extra: no augmentation") {
		t.Errorf("%v", err)
	}
}

func TestRegisterErrors(t *testing.T) {
	open := func(*sets.Part) (data.Dataset, error) { return dots{}, nil }
	for _, c := range []struct {
		name   string
		format sets.Format
		want   string
	}{
		{"no name", sets.Format{Open: open}, "needs a name"},
		{"no opener", sets.Format{Name: "x"}, "a function Open"},
		{"a name that is taken", sets.Format{Name: "shards", Open: open}, `a format "shards" is already registered`},
		{"a key that does not exist", sets.Format{Name: "x", Open: open, Keys: []string{"trian"}}, "takes data.trian"},
		{
			"options without keys",
			sets.Format{Name: "x", Open: open, Options: func() any { return &struct{ Width int }{} }},
			"field Width of its options has no key",
		},
		{
			"options that are not a pointer",
			sets.Format{Name: "x", Open: open, Options: func() any { return 3 }},
			"want a pointer to a struct",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if v, ok := recover().(string); !ok || !strings.Contains(v, c.want) {
					t.Errorf("%v, want %q", v, c.want)
				}
			}()
			sets.Register(c.format)
		})
	}
}

// Every format has an explanation and takes known keys. If it takes data.train, it has an example.
func TestFormats(t *testing.T) {
	for _, f := range sets.Formats() {
		takes := false
		for _, key := range f.Keys {
			takes = takes || key == "train"
			if !slices.Contains(configs.FormatKeys, key) {
				t.Errorf("%s takes data.%s, which does not exist", f.Name, key)
			}
		}
		if f.Doc == "" || takes != (f.Example != "") {
			t.Errorf("%+v", f)
		}
	}
}
