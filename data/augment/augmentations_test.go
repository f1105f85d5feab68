package augment

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"fasternet/data/picture"
	"fasternet/internal/rng"
)

// Every augmentation changes four pixels as its name says.
func TestAugmentations(t *testing.T) {
	grey := []uint8{10, 90, 130, 250}
	type test struct {
		name     string
		change   func(options any)
		channels int
		in       []uint8
		want     []uint8
	}
	tests := []test{
		{name: "invert", channels: 1, in: grey, want: []uint8{245, 165, 125, 5}},
		{name: "autocontrast", channels: 1, in: []uint8{10, 110, 60, 110}, want: []uint8{0, 255, 127, 255}},
		{name: "equalize", channels: 1, in: []uint8{7, 7, 7, 7}, want: []uint8{7, 7, 7, 7}},
		{name: "grayscale", channels: 1, in: grey, want: grey},
		{
			name: "grayscale", channels: 3, in: []uint8{255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9},
			want: []uint8{76, 76, 76, 150, 150, 150, 29, 29, 29, 9, 9, 9},
		},
		{name: "posterize", channels: 1, in: grey, want: []uint8{0, 80, 128, 240}},
		{
			name: "posterize", change: func(o any) { o.(*posterizeOptions).Bits = 1 }, channels: 1,
			in: grey, want: []uint8{0, 0, 128, 128},
		},
		{name: "solarize", channels: 1, in: grey, want: []uint8{10, 90, 125, 5}},
		{
			name: "solarize", change: func(o any) { o.(*solarizeOptions).Threshold = 50 },
			channels: 1, in: grey, want: []uint8{10, 165, 125, 5},
		},
		{name: "sharpness", channels: 1, in: grey, want: grey}, // all border
	}
	for _, a := range Augmentations() {
		if !slices.ContainsFunc(tests, func(c test) bool { return c.name == a.Name }) {
			t.Errorf("%s has no test", a.Name)
		}
		if a.Doc == "" {
			t.Errorf("%s is not explained", a.Name)
		}
	}
	for _, c := range tests {
		at := slices.IndexFunc(Augmentations(), func(a Augmentation) bool { return a.Name == c.name })
		if at < 0 {
			t.Fatalf("there is no %s", c.name)
		}
		a := Augmentations()[at]
		var options any
		if a.Options != nil {
			options = a.Options()
		}
		if c.change != nil {
			c.change(options)
		}
		f, err := a.New(options)
		if err != nil {
			t.Fatal(err)
		}
		m := &picture.Image{Pix: slices.Clone(c.in), Height: 2, Width: 2, Channels: c.channels}
		canvas := Canvas{Image: m}
		if err := canvas.Step(Step{c.name, 1, f}, rng.New(1, rng.Augment)); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(canvas.Image.Pix, c.want) {
			t.Errorf("%s of %v: %v, want %v", c.name, c.in, canvas.Image.Pix, c.want)
		}
	}
}

func TestSteps(t *testing.T) {
	keep := func(m *picture.Image, _ *rand.Rand) (*picture.Image, error) { return m, nil }
	for _, c := range []struct {
		name string
		step Step
		want string
	}{
		{
			"an error",
			Step{"a", 1, func(*picture.Image, *rand.Rand) (*picture.Image, error) { return nil, errors.New("no") }},
			"augmentation a: no",
		},
		{
			"no image",
			Step{"a", 1, func(*picture.Image, *rand.Rand) (*picture.Image, error) { return nil, nil }},
			"augmentation a returned no image",
		},
		{
			"another shape",
			Step{
				"a", 1,
				func(*picture.Image, *rand.Rand) (*picture.Image, error) { return picture.NewImage(4, 4, 3), nil },
			},
			"augmentation a made 4×4×3 with 48 values from an image of 4×4×1; it must keep the shape",
		},
		{"an image that is not whole", Step{"a", 1, func(m *picture.Image, _ *rand.Rand) (*picture.Image, error) {
			return &picture.Image{Pix: m.Pix[1:], Height: 4, Width: 4, Channels: 1}, nil
		}}, "with 15 values"},
		{
			"never",
			Step{"a", 0, func(*picture.Image, *rand.Rand) (*picture.Image, error) { return nil, errors.New("no") }},
			"",
		},
		{"well", Step{"a", 1, keep}, ""},
	} {
		canvas := Canvas{Image: picture.NewImage(4, 4, 1)}
		err := canvas.Step(c.step, rng.New(1, rng.Augment))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	n := 0
	r := rng.New(1, rng.Augment)
	for range 2000 {
		canvas := Canvas{Image: picture.NewImage(1, 1, 1), Note: func(string) { n++ }}
		if err := canvas.Step(Step{"a", 0.3, keep}, r); err != nil {
			t.Fatal(err)
		}
	}
	if n < 500 || n > 700 {
		t.Errorf("%d of 2000 images are changed with a probability of 0.3", n)
	}
	for _, s := range []Step{{"a", 1, nil}, {"a", -1, keep}, {"a", 2, keep}} {
		if s.Validate() == nil {
			t.Errorf("%+v is taken", s)
		}
	}
}

func TestRegister(t *testing.T) {
	for _, c := range []struct {
		name string
		a    Augmentation
		want string
	}{
		{"no name", Augmentation{New: always(invert)}, "needs a name"},
		{"no function", Augmentation{Name: "x"}, "needs a name and a function New"},
		{
			"a name that is taken", Augmentation{Name: "invert", New: always(invert)},
			`an augmentation "invert" is already registered`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if v, ok := recover().(string); !ok || !strings.Contains(v, c.want) {
					t.Errorf("%v, want %q", v, c.want)
				}
			}()
			Register(c.a)
		})
	}
}

// An unknown mode is an error when it is used.
func TestErasingModes(t *testing.T) {
	e := Erasing{Prob: 1, Mode: "noise", Count: 1, Area: erasingArea}
	if _, err := e.Apply(make([]float32, 400), 20, 20, 1, rng.New(1, rng.Augment)); err == nil ||
		!strings.Contains(err.Error(), `"noise"`) {
		t.Errorf("%v", err)
	}
}
