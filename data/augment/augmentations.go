package augment

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"fasternet/data/picture"
)

// Func changes an 8-bit image. It may change it in place and return it, or return another
// one of the same size with as many channels (1 for grey, 3 for RGB). It must not keep it.
// All randomness comes from r, which is a function of the seed, the epoch and the sample, so
// that runs can be repeated and resumed. Many goroutines call it at once.
type Func func(m *picture.Image, r *rand.Rand) (*picture.Image, error)

// Augmentation is an augmentation that augment.extra can name.
type Augmentation struct {
	Name string
	Doc  string // what it does, in a line

	// Options returns a pointer to a struct of options with their defaults; nil if there are
	// none. The yaml tags of its fields are their keys, the doc tags explain them. A method
	// Check() error says which values are wrong. The keys name and prob are taken.
	Options func() any

	// New makes the function. options is what Options returned, filled in; nil without.
	New func(options any) (Func, error)
}

// Step is an augmentation as one step of a transform.
type Step struct {
	Name  string
	Prob  float64 // probability that an image is changed
	Apply Func
}

// Validate returns an error that names the first setting that is wrong.
func (s Step) Validate() error {
	switch {
	case s.Apply == nil:
		return fmt.Errorf("augmentation %q has no function", s.Name)
	case !(s.Prob >= 0 && s.Prob <= 1):
		return fmt.Errorf("augmentation %s: Prob is %v; a probability from 0 to 1 is needed", s.Name, s.Prob)
	}
	return nil
}

// Step does a step. With a probability of 1 it draws no number itself.
func (c *Canvas) Step(s Step, r *rand.Rand) error {
	if s.Prob < 1 && r.Float64() >= s.Prob {
		return nil
	}
	height, width, channels := c.Image.Height, c.Image.Width, c.Image.Channels
	m, err := s.Apply(c.Image, r)
	switch {
	case err != nil:
		return fmt.Errorf("augmentation %s: %w", s.Name, err)
	case m == nil:
		return fmt.Errorf("augmentation %s returned no image", s.Name)
	case m.Height != height || m.Width != width || m.Channels != channels,
		len(m.Pix) != height*width*channels:
		return fmt.Errorf("augmentation %s made %d×%d×%d with %d values from an image of %d×%d×%d; "+
			"it must keep the shape",
			s.Name, m.Height, m.Width, m.Channels, len(m.Pix), height, width, channels)
	}
	c.Image = m
	if c.Note != nil {
		c.Note(s.Name)
	}
	return nil
}

// augmentations lists what augment.extra can name; [Register] adds to it.
var augmentations = struct {
	sync.Mutex
	list []Augmentation
}{list: []Augmentation{
	{Name: "autocontrast", Doc: "stretches each channel to the full range", New: always(autoContrast)},
	{Name: "equalize", Doc: "flattens the histogram of each channel", New: always(equalize)},
	{Name: "grayscale", Doc: "makes the image grey", New: always(grayscale)},
	{Name: "invert", Doc: "inverts all values", New: always(invert)},
	posterizing, solarizing, sharpening,
}}

// always returns the New of an augmentation without options.
func always(change func(m *picture.Image)) func(any) (Func, error) {
	return func(any) (Func, error) {
		return func(m *picture.Image, _ *rand.Rand) (*picture.Image, error) {
			change(m)
			return m, nil
		}, nil
	}
}

// Register adds an augmentation. Call it from an init function; then augment.extra can
// name it. It panics if the augmentation has no name or no New, or if its name is taken.
func Register(a Augmentation) {
	augmentations.Lock()
	defer augmentations.Unlock()
	switch {
	case a.Name == "" || a.New == nil:
		panic("augment: an augmentation needs a name and a function New")
	case slices.ContainsFunc(augmentations.list, func(b Augmentation) bool { return a.Name == b.Name }):
		panic(fmt.Sprintf("augment: an augmentation %q is already registered", a.Name))
	}
	augmentations.list = append(augmentations.list, a)
}

// Augmentations lists the augmentations.
func Augmentations() []Augmentation {
	augmentations.Lock()
	defer augmentations.Unlock()
	return slices.Clone(augmentations.list)
}

var errOptions = errors.New("the options belong to another augmentation")
