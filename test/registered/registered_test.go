// Package registered tests a program of one's own: the whole command line with a format of
// data sets and an augmentation that it registers.
package registered

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/cli"
	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/picture"
	"fasternet/data/sets"
)

// stripesOptions are data.options of the format stripes.
type stripesOptions struct {
	Images int     `yaml:"images" doc:"images of each class"`
	Width  int     `yaml:"width" doc:"pixels of a stripe"`
	Colour []int   `yaml:"colour,flow" doc:"red, green and blue"`
	Shade  float64 `yaml:"shade" doc:"of the dark stripes, from 0 to 1"`
}

func (o *stripesOptions) Check() error {
	switch {
	case o.Images < 1 || o.Images > 1000:
		return configs.WrongOption("images", "want 1 to 1000, got %d", o.Images)
	case o.Width < 1:
		return configs.WrongOption("width", "want 1 or more, got %d", o.Width)
	case len(o.Colour) != 3:
		return errors.New("want three values of colour")
	}
	return nil
}

// stripes is a data set in memory: class 0 has stripes that lie, class 1 stripes that stand.
type stripes struct {
	stripesOptions
	offset int
}

func (s *stripes) Len() int          { return 2 * s.Images }
func (*stripes) Classes() []string   { return []string{"lying", "standing"} }
func (*stripes) Label(i int) int     { return i % 2 }
func (s *stripes) Name(i int) string { return fmt.Sprint("stripes ", s.offset+i) }
func (s *stripes) Image(i int) (*picture.Image, error) {
	m := picture.NewImage(16, 16, 3)
	for y := range 16 {
		for x := range 16 {
			at := [2]int{y, x}[i%2] + i/2 + s.offset
			for c, v := range s.Colour {
				if at/s.Width%2 == 1 {
					v = int(float64(v) * s.Shade)
				}
				m.Pix[(y*16+x)*3+c] = uint8(min(v+(i/2+s.offset)%40, 255)) // no two are the same
			}
		}
	}
	return m, nil
}

func init() {
	sets.Register(sets.Format{
		Name: "stripes", Doc: "stripes in memory", NoDir: true,
		Options: func() any { return &stripesOptions{Images: 32, Width: 2, Colour: []int{200, 100, 50}} },
		Open: func(p *sets.Part) (data.Dataset, error) {
			s := &stripes{stripesOptions: *p.Options.(*stripesOptions)}
			if !p.Train() {
				s.offset = 20
			}
			return s, nil
		},
	})
}

// TestMain is the program when a test starts it.
func TestMain(m *testing.M) {
	if os.Getenv("FASTERNET_REGISTERED") != "" {
		cli.Main()
	}
	os.Exit(m.Run())
}

// run starts the program and returns what it prints, and whether it ended well.
func run(t *testing.T, dir string, args ...string) (string, bool) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), program, args...)
	c.Dir, c.Env = dir, append(os.Environ(), "FASTERNET_REGISTERED=1")
	out, err := c.CombinedOutput()
	return string(out), err == nil
}

func succeeds(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, ok := run(t, dir, args...)
	if !ok {
		t.Fatalf("%v:\n%s", args, out)
	}
	return out
}

func fails(t *testing.T, dir, want string, args ...string) {
	t.Helper()
	out, ok := run(t, dir, args...)
	if ok || !strings.Contains(out, want) {
		t.Errorf("%v ended well: %v, want %q in:\n%s", args, ok, want, out)
	}
}

const small = `
model: {name: fasternet, embed_dim: 8, depths: [1, 1, 1, 1], feature_dim: 16}
train: {epochs: 2, batch_size: 8, val_batch_size: 8}
sched: {warmup_epochs: 0}
log: {tensorboard: false}
threads: 2
`

// write makes a folder with a configuration.
func write(t *testing.T, text string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "c.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A format of the program's own works in every command.
func TestFormat(t *testing.T) {
	dir := write(t, "data:\n  name: stripes\n  image_size: 32\n  options:\n    images: 16\n"+small)
	succeeds(t, dir, "config", "check", "c.yaml")
	show := succeeds(t, dir, "config", "show", "c.yaml")
	for _, want := range []string{"images: 16 # images of each class", "width: 2 # pixels of a stripe", "shards, packed and stripes"} {
		if !strings.Contains(show, want) {
			t.Errorf("config show has no %q:\n%s", want, show)
		}
	}
	if info := succeeds(t, dir, "data", "info", "c.yaml"); !strings.Contains(info, "standing") {
		t.Errorf("data info:\n%s", info)
	}
	succeeds(t, dir, "data", "verify", "c.yaml")
	succeeds(t, dir, "train", "c.yaml", "--run", "run", "--set", "train.epochs=1")
	succeeds(t, dir, "train", "c.yaml", "--run", "run", "--resume", "--set", "train.epochs=2")
	succeeds(t, dir, "eval", "--model", "run/checkpoints/last.safetensors")
	// Other options give another data set, which a run notices.
	out := succeeds(t, dir, "train", "c.yaml", "--run", "run", "--resume", "--set", "data.options.width=3")
	if !strings.Contains(out, "setting data.options.width: 3 from here on, 2 before") {
		t.Errorf("nothing is said of another option:\n%s", out)
	}
}

func TestBadOptions(t *testing.T) {
	for _, c := range []struct{ name, data, want string }{
		{"a key that does not exist", "  name: stripes\n  options:\n    imagse: 16\n", "c.yaml:4: data.options.imagse: unknown key, did you mean images?"},
		{"another type", "  name: stripes\n  options:\n    images: many\n", `c.yaml:4: data.options.images: want an integer, got "many"`},
		{"a value that cannot be", "  name: stripes\n  options:\n    images: 0\n", "c.yaml:4: data.options.images: want 1 to 1000, got 0"},
		{"values that do not fit", "  name: stripes\n  options:\n    colour: [1]\n", "data.options: want three values of colour"},
		{"not finite", "  name: stripes\n  options:\n    shade: .nan\n", "c.yaml:4: data.options.shade: want a finite number"},
		{"twice", "  name: stripes\n  options:\n    width: 1\n    width: 2\n", `c.yaml:5: data.options.width: the key is there twice`},
		{"no mapping", "  name: stripes\n  options: 3\n", `c.yaml:3: data.options: want keys and values, got "3"`},
		{"a format without options", "  name: cifar10\n  options:\n    width: 1\n", "c.yaml:4: data.options.width: a data set of name cifar10 has no options"},
		{"a key of other formats", "  name: stripes\n  train: x\n", "c.yaml:3: data.train: a data set of name stripes has files of fixed names"},
		{"labels", "  name: stripes\n  label_kind: name\n", "only data sets of the names annotations and shards have labels in a text, this is stripes"},
		{"a misspelt name", "  name: stripse\n", `c.yaml:2: data.name: want imagefolder or annotations`},
	} {
		t.Run(c.name, func(t *testing.T) {
			fails(t, write(t, "data:\n"+c.data), c.want, "config", "check", "c.yaml")
		})
	}
}
