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
// one of the same size and with as many channels (1 for grey, 3 for RGB); it must not keep
// it. All that is random comes from r, which is a function of the seed, the epoch and the
// sample, so that runs can be repeated and resumed. It is called by many goroutines.
type Func func(m *picture.Image, r *rand.Rand) (*picture.Image, error)

// Augmentation is a value of augment.extra.
type Augmentation struct {
	Name string
	Doc  string // what it does, in a line

	// Options returns a pointer to a struct with the defaults of its options; nil if it has
	// none. The tags yaml of its fields are their keys, the tags doc explain them. A method
	// Check() error says which values cannot work. The keys name and prob are taken.
	Options func() any

	// New makes the function for options, which are what Options returned; nil without.
	New func(options any) (Func, error)
}

// Step is an augmentation as a transform has it.
type Step struct {
	Name  string
	Prob  float64 // that an image is changed, from 0 to 1
	Apply Func
}

// Validate returns an error that names a setting which cannot work.
func (s Step) Validate() error {
	switch {
	case s.Apply == nil:
		return fmt.Errorf("augmentation %q has no function", s.Name)
	case !(s.Prob >= 0 && s.Prob <= 1):
		return fmt.Errorf("augmentation %s: Prob is %v; a probability from 0 to 1 is needed", s.Name, s.Prob)
	}
	return nil
}

// Step does a step. With a probability of 1 it draws nothing itself.
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
	case m.Height != height || m.Width != width || m.Channels != channels || len(m.Pix) != height*width*channels:
		return fmt.Errorf("augmentation %s made %d×%d×%d with %d values of an image of %d×%d×%d; it must keep the shape",
			s.Name, m.Height, m.Width, m.Channels, len(m.Pix), height, width, channels)
	}
	c.Image = m
	if c.Note != nil {
		c.Note(s.Name)
	}
	return nil
}

// augmentations is the table of what augment.extra can name; [Register] adds to it.
var augmentations = struct {
	sync.Mutex
	list []Augmentation
}{list: []Augmentation{
	{Name: "autocontrast", Doc: "each channel is stretched to all values", New: always(autoContrast)},
	{Name: "equalize", Doc: "the histogram of each channel is made flat", New: always(equalize)},
	{Name: "grayscale", Doc: "colours become grey", New: always(grayscale)},
	{Name: "invert", Doc: "dark becomes bright", New: always(invert)},
	posterizing, solarizing, sharpening,
}}

// always is an augmentation without options.
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
		panic("augment: an augmentation needs a name, and a function New")
	case slices.ContainsFunc(augmentations.list, func(b Augmentation) bool { return a.Name == b.Name }):
		panic(fmt.Sprintf("augment: there is an augmentation called %q already", a.Name))
	}
	augmentations.list = append(augmentations.list, a)
}

// Augmentations lists the augmentations.
func Augmentations() []Augmentation {
	augmentations.Lock()
	defer augmentations.Unlock()
	return slices.Clone(augmentations.list)
}

var errOptions = errors.New("the options are of another augmentation")
