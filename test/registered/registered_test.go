// Package registered tests a program that extends this one: the whole command line, with its own data
// set format and its own augmentation.
package registered

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/cli"
	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/augment"
	"fasternet/data/picture"
	"fasternet/data/sets"
)

// stripesOptions holds data.options of the format stripes.
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

// stripes is a data set in memory: class 0 has horizontal stripes, class 1 vertical ones.
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
				m.Pix[(y*16+x)*3+c] = uint8(min(v+(i/2+s.offset)%40, 255)) // no two images are the same
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

// blurOptions holds the options of the augmentation box_blur.
type blurOptions struct {
	Radius int `yaml:"radius" doc:"pixels to either side, at most"`
}

func (o *blurOptions) Check() error {
	if o.Radius < 1 {
		return configs.WrongOption("radius", "want 1 or more, got %d", o.Radius)
	}
	return nil
}

func init() {
	augment.Register(augment.Augmentation{
		Name: "box_blur", Doc: "rows are blurred by a random radius",
		Options: func() any { return &blurOptions{Radius: 1} },
		New: func(options any) (augment.Func, error) {
			most := options.(*blurOptions).Radius
			return func(m *picture.Image, r *rand.Rand) (*picture.Image, error) {
				radius := 1 + r.IntN(most)
				out := picture.NewImage(m.Height, m.Width, m.Channels)
				for y := range m.Height {
					for x := range m.Width {
						for c := range m.Channels {
							sum, n := 0, 0
							for k := max(x-radius, 0); k <= min(x+radius, m.Width-1); k++ {
								sum, n = sum+int(m.Pix[(y*m.Width+k)*m.Channels+c]), n+1
							}
							out.Pix[(y*m.Width+x)*m.Channels+c] = uint8(sum / n)
						}
					}
				}
				return out, nil
			}, nil
		},
	})
	augment.Register(augment.Augmentation{
		Name: "cut_off", Doc: "an augmentation that is wrong: it changes the size",
		New: func(any) (augment.Func, error) {
			return func(m *picture.Image, _ *rand.Rand) (*picture.Image, error) {
				return picture.NewImage(m.Height-1, m.Width, m.Channels), nil
			}, nil
		},
	})
}

// TestMain becomes the program when a test starts it.
func TestMain(m *testing.M) {
	if os.Getenv("FASTERNET_REGISTERED") != "" {
		cli.Main()
	}
	os.Exit(m.Run())
}

// run runs the program, and returns its output and whether it succeeded.
func run(t *testing.T, dir string, args ...string) (string, bool) {
	t.Helper()
	out, code := exits(t, dir, args...)
	return out, code == 0
}

// exits runs the program, and returns its output and its exit code.
func exits(t *testing.T, dir string, args ...string) (out string, code int) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), program, args...)
	c.Dir, c.Env = dir, append(os.Environ(), "FASTERNET_REGISTERED=1")
	text, err := c.CombinedOutput()
	if err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return string(text), c.ProcessState.ExitCode()
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

// A registered format works in every command.
func TestFormat(t *testing.T) {
	dir := write(t, "data:\n  name: stripes\n  image_size: 32\n  options:\n    images: 16\n"+small)
	succeeds(t, dir, "config", "check", "c.yaml")
	show := succeeds(t, dir, "config", "show", "c.yaml")
	for _, want := range []string{
		"images: 16 # images of each class", "width: 2 # pixels of a stripe", "shards, packed and stripes",
	} {
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
	if !strings.Contains(out, "setting data.options.width: now 3, before 2") {
		t.Errorf("nothing is said of another option:\n%s", out)
	}
}

func TestBadOptions(t *testing.T) {
	for _, c := range []struct{ name, data, want string }{
		{"a key that does not exist", "  name: stripes\n  options:\n    imagse: 16\n",
			"c.yaml:4: data.options.imagse: unknown key, did you mean images?"},
		{"another type", "  name: stripes\n  options:\n    images: many\n",
			`c.yaml:4: data.options.images: want an integer, got "many"`},
		{"a value that cannot be", "  name: stripes\n  options:\n    images: 0\n",
			"c.yaml:4: data.options.images: want 1 to 1000, got 0"},
		{"values that do not fit", "  name: stripes\n  options:\n    colour: [1]\n",
			"data.options: want three values of colour"},
		{"not finite", "  name: stripes\n  options:\n    shade: .nan\n",
			"c.yaml:4: data.options.shade: want a finite number"},
		{"twice", "  name: stripes\n  options:\n    width: 1\n    width: 2\n",
			`c.yaml:5: data.options.width: the key appears twice`},
		{"no mapping", "  name: stripes\n  options: 3\n", `c.yaml:3: data.options: want keys and values, got "3"`},
		{"a format without options", "  name: cifar10\n  options:\n    width: 1\n",
			"c.yaml:4: data.options.width: a data set of name cifar10 has no options"},
		{"a key of other formats", "  name: stripes\n  train: x\n",
			"c.yaml:3: data.train: data sets of name stripes have fixed file names"},
		{"labels", "  name: stripes\n  label_kind: name\n",
			"only data sets of the names annotations and shards have labels in a text, not stripes"},
		{"a misspelt name", "  name: stripse\n", `c.yaml:2: data.name: want imagefolder or annotations`},
	} {
		t.Run(c.name, func(t *testing.T) {
			fails(t, write(t, "data:\n"+c.data), c.want, "config", "check", "c.yaml")
		})
	}
}

// A registered augmentation is used, can be repeated and resumed, and is a part of the configuration of a
// run.
func TestAugmentation(t *testing.T) {
	const of = "data: {name: stripes, image_size: 32, options: {images: 16}}\n" + small
	dir := write(t, of+"augment:\n  extra:\n    - {name: box_blur, radius: 3, prob: 0.7}\n    - grayscale\n")
	show := succeeds(t, dir, "config", "show", "c.yaml")
	for _, want := range []string{
		"name: box_blur", "radius: 3", "prob: 0.7", "there are autocontrast, equalize, grayscale",
	} {
		if !strings.Contains(show, want) {
			t.Errorf("config show has no %q:\n%s", want, show)
		}
	}
	weights := func(run string) []byte {
		text, err := os.ReadFile(filepath.Join(dir, run, "checkpoints", "last.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		var head struct {
			Meta json.RawMessage `json:"__metadata__"`
		}
		n := binary.LittleEndian.Uint64(text)
		if err := json.Unmarshal(text[8:8+n], &head); err != nil {
			t.Fatal(err)
		}
		return text[8+n:]
	}
	succeeds(t, dir, "train", "c.yaml", "--run", "whole")
	succeeds(t, dir, "train", "c.yaml", "--run", "plain", "--set", "augment.extra=[]")
	succeeds(t, dir, "train", "c.yaml", "--run", "parts", "--set", "train.epochs=1")
	succeeds(t, dir, "train", "c.yaml", "--run", "other",
		"--set", "augment.extra=[{name: box_blur, radius: 2, prob: 0.7}, grayscale]")
	whole := weights("whole")
	if bytes.Equal(whole, weights("plain")) {
		t.Error("the augmentations change nothing")
	}
	if bytes.Equal(whole, weights("other")) {
		t.Error("the radius changes nothing")
	}
	succeeds(t, dir, "train", "c.yaml", "--run", "again", "--set", "data.workers=1")
	if !bytes.Equal(whole, weights("again")) {
		t.Error("a second run differs")
	}
	out := succeeds(t, dir, "train", "c.yaml", "--run", "parts", "--resume", "--set", "train.epochs=3",
		"--set", "augment.extra=[grayscale]")
	if !strings.Contains(out, "setting augment.extra:") || !strings.Contains(out, "box_blur") {
		t.Errorf("nothing is said of another augmentation:\n%s", out)
	}
}

func TestBadAugmentations(t *testing.T) {
	for _, c := range []struct{ name, extra, want string }{
		{"a misspelt name", "[box_blurr]",
			`c.yaml:1: augment.extra: no augmentation is called "box_blurr", did you mean box_blur?`},
		{"a misspelt option", "[{name: box_blur, radios: 3}]",
			"augment.extra.box_blur.radios: unknown key, did you mean radius?"},
		{"a value that cannot be", "[{name: box_blur, radius: 0}]",
			"augment.extra.box_blur.radius: want 1 or more, got 0"},
		{"a built-in one", "[{name: posterize, bits: 9}]",
			"c.yaml:1: augment.extra.posterize: bits: want 0 to 8, got 9"},
		{"a probability", "[{name: box_blur, prob: 2}]", "augment.extra.box_blur.prob: want a number from 0 to 1, got"},
		{"without options", "[{name: invert, strength: 2}]",
			"augment.extra.invert.strength: the augmentation invert has no options"},
		{"no name", "[{radius: 2}]", "this one has no name"},
		{"no list", "box_blur", "augment.extra: want a list"},
		{"a number", "[3]", "augment.extra: want a name, or keys and values"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fails(t, write(t, "augment: {extra: "+c.extra+"}\n"), c.want, "config", "check", "c.yaml")
		})
	}
	// Every problem is reported once.
	out, _ := run(t,
		write(t,
			"data: {name: stripes}\naugment: {extra: [box_blurr, {name: solarize, treshold: 3}, invert]}\ntrain: "+
				"{batch_size: 8}\n"),
		"config", "check", "c.yaml")
	if n := strings.Count("\n"+out, "\nerror:"); n != 2 {
		t.Errorf("%d errors, want 2:\n%s", n, out)
	}
	dir := write(t, "data: {name: stripes, image_size: 32}\naugment: {extra: [cut_off]}\n"+small)
	fails(t, dir, "augmentation cut_off made 31×32×3", "train", "c.yaml", "--run", "run")
}
