package foreign

import (
	"fmt"
	"math"
	"slices"

	"fasternet/formats"
)

// Shapes finds tensors by name, and reports what is wrong with them.
type Shapes struct {
	title string // of the family
	names []string
	of    map[string][]int
}

// NewShapes returns the shapes of tensors under official names. Messages use the title of the family.
func NewShapes(title string, ts []formats.Tensor) Shapes {
	s := Shapes{title: title, of: make(map[string][]int, len(ts))}
	for _, t := range ts {
		s.names = append(s.names, t.Name)
		s.of[t.Name] = t.Shape
	}
	return s
}

// Names returns the names of the tensors in the order of the file.
func (s Shapes) Names() []string { return s.names }

// Has says whether there is a tensor of that name.
func (s Shapes) Has(name string) bool { _, ok := s.of[name]; return ok }

// Shape returns the shape of a tensor; nil if there is no tensor with that name.
func (s Shapes) Shape(name string) []int { return s.of[name] }

// Get finds a tensor of at least n dimensions, none of them 0.
func (s Shapes) Get(name string, n int) ([]int, error) {
	shape, ok := s.of[name]
	if !ok {
		return nil, s.Errorf("there is no %s", name)
	}
	if len(shape) < n || slices.Contains(shape, 0) {
		return nil, s.Errorf("%s has shape %v", name, shape)
	}
	return shape, nil
}

// Errorf returns an error that says why the tensors do not belong to the family.
func (s Shapes) Errorf(format string, args ...any) error {
	return fmt.Errorf("not the weights of a %s: %s", s.title, fmt.Sprintf(format, args...))
}

// Count returns the number of numbered tensors, from 0.
func (s Shapes) Count(name func(i int) string) int {
	n := 0
	for s.Has(name(n)) {
		n++
	}
	return n
}

// Classes returns the number of classes of the classifier; 0 if there is none.
func (s Shapes) Classes() int {
	if shape := s.of["head.weight"]; len(shape) >= 2 {
		return shape[0]
	}
	return 0
}

// Ratio returns the smallest mlp_ratio that gives the number of hidden channels.
func Ratio(hidden, channels int) float64 {
	r := float64(hidden) / float64(channels)
	for int(float64(channels)*r) < hidden {
		r = math.Nextafter(r, math.Inf(1))
	}
	return r
}

// SquareRoot returns the root of a square number, else 0.
func SquareRoot(n int) int {
	for i := 1; i*i <= n; i++ {
		if i*i == n {
			return i
		}
	}
	return 0
}
