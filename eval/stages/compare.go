// Package stages compares values within a model with the values that another framework has
// computed from the same images and weights.
package stages

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"fasternet/formats/npy"
	"fasternet/graph"
	"fasternet/internal/inspect"
	"fasternet/ops"
)

// Inputs are the names that the images may have in a dump.
var Inputs = []string{"input", "images", "x"}

// Logits is the name of the classifier's result.
const Logits = "logits"

// Options say how to compare.
type Options struct {
	Tolerance float64 // relative to the largest magnitude of a stage in the other framework
	Headless  bool    // do not compare the classifier, as it has fresh values
}

// Stage is a value within a model, here and in the other framework.
type Stage struct {
	Name   string        `json:"name"`
	Op     string        `json:"op"`    // the op that computes it here
	Shape  []int         `json:"shape"` // the shape here; Dump is the shape in the dump
	Dump   []int         `json:"dump_shape"`
	Layout string        `json:"layout"` // of the array in the dump; "" if its shape does not fit
	Ours   inspect.Range `json:"ours"`
	Theirs inspect.Range `json:"theirs"`
	// Largest is the largest absolute difference; nil if a value is NaN or infinite on one
	// side alone. Relative is Largest divided by the largest magnitude in the dump.
	Largest  *float64 `json:"max_abs_difference"`
	Relative *float64 `json:"relative_difference"`
	// At is the place of the largest difference, in our shape; Our and Their are the values there.
	At      []int  `json:"at"`
	Our     string `json:"our_value"`
	Their   string `json:"their_value"`
	Differs bool   `json:"differs"` // by more than the tolerance
}

// Result is the result of a comparison.
type Result struct {
	Images    int     `json:"images"`
	Size      [2]int  `json:"size"` // height and width of the images
	Tolerance float64 `json:"tolerance"`
	Stages    []Stage `json:"stages"` // in the order of the network
	First     string  `json:"first_that_differs,omitempty"`
	// Unknown lists arrays of the dump that the model does not have. Missing lists values of
	// the model that the dump does not have.
	Unknown []string `json:"unknown,omitempty"`
	Missing []string `json:"missing,omitempty"`
}

// value is one of our values.
type value struct {
	name, op string
	shape    []int
	values   []float32
	order    int // of the op
}

// Compare runs the model on the images of a dump, [images, channels, height, width], and
// compares the values that have the same names: the features of [graph.Program.FeatureNames],
// the results of all ops by the names of their layers, and the logits.
func Compare(r *graph.Runner, dump *npy.Archive, o Options) (*Result, error) {
	images, shape, err := input(dump, r.Model.Channels())
	if err != nil {
		return nil, err
	}
	out := &Result{Images: shape[0], Size: [2]int{shape[2], shape[3]}, Tolerance: o.Tolerance}
	ours, missing, err := run(r, images, shape, dump, o.Headless)
	if err != nil {
		return nil, err
	}
	out.Missing = missing
	known := map[string]bool{}
	for _, v := range ours {
		known[v.name] = true
		s, err := compare(v, shape[0], dump, o.Tolerance)
		if err != nil {
			return nil, err
		}
		if s.Differs && out.First == "" {
			out.First = s.Name
		}
		out.Stages = append(out.Stages, s)
	}
	for _, name := range dump.Names() {
		if !known[name] && !slices.Contains(Inputs, name) {
			out.Unknown = append(out.Unknown, name)
		}
	}
	if len(out.Stages) == 0 {
		return nil, fmt.Errorf("the dump and the model have no name in common: the dump has %q, the model %q",
			cut(out.Unknown), cut(out.Missing))
	}
	return out, nil
}

// cut returns the beginning of a long list.
func cut(names []string) []string { return names[:min(len(names), 12)] }

// input returns the images of a dump, [n, height, width, channels], and their shape.
func input(dump *npy.Archive, channels int) ([]float32, []int, error) {
	for _, name := range Inputs {
		if !dump.Has(name) {
			continue
		}
		shape, values, err := dump.Read(name)
		if err != nil {
			return nil, nil, err
		}
		if len(shape) != 4 || shape[1] != channels || len(values) == 0 {
			return nil, nil, fmt.Errorf("array %q has shape %v: want [images, %d channels, height, width]",
				name, shape, channels)
		}
		n, pixels := shape[0], shape[2]*shape[3]
		images := make([]float32, len(values))
		for i := range n {
			for c := range channels {
				for p := range pixels {
					images[(i*pixels+p)*channels+c] = values[(i*channels+c)*pixels+p]
				}
			}
		}
		return images, shape, nil
	}
	return nil, nil, fmt.Errorf("the dump has no array %q with the images [images, channels, height, width]", Inputs[0])
}

// run computes the values that the dump has, in the order of the network.
func run(r *graph.Runner, images []float32, shape []int, dump *npy.Archive,
	headless bool) (all []value, missing []string, err error) {
	p, err := r.Features(graph.Shape{Batch: shape[0], Height: shape[2], Width: shape[3]})
	if err != nil {
		return nil, nil, err
	}
	order := map[string]int{} // of each op, by its name in FeatureOp
	last, lastOp := 0, ""
	p.Observe(func(o ops.Observed) error {
		kind := fmt.Sprintf("%s %q", o.Kind, o.Name)
		order[kind], last, lastOp = o.Index, o.Index, o.Kind
		switch {
		case !dump.Has(o.Name):
			missing = append(missing, o.Name)
		case !headless || o.Name != "head":
			all = append(all, value{o.Name, o.Kind, slices.Clone([]int(o.Shape)), slices.Clone(o.Values), o.Index})
		}
		return nil
	})
	defer p.Observe(nil)
	logits, err := p.Forward(images)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range p.FeatureNames() {
		if !dump.Has(name) {
			missing = append(missing, name)
			continue
		}
		values, shape, err := p.Feature(name)
		if err != nil {
			return nil, nil, err
		}
		op := p.FeatureOp(name)
		kind, _, _ := strings.Cut(op, " ")
		all = append(all, value{name, kind, shape, slices.Clone(values), order[op]})
	}
	if dump.Has(Logits) && !headless {
		all = append(all, value{Logits, lastOp, []int{shape[0], len(logits) / shape[0]}, slices.Clone(logits), last})
	}
	slices.SortStableFunc(all, func(a, b value) int { return a.order - b.order })
	return all, missing, nil
}

// compare compares one value.
func compare(v value, images int, dump *npy.Archive, tolerance float64) (Stage, error) {
	shape, theirs, err := dump.Read(v.name)
	if err != nil {
		return Stage{}, err
	}
	channels := v.shape[len(v.shape)-1]
	positions := len(v.values) / images / channels
	s := Stage{
		Name:   v.name,
		Op:     v.op,
		Shape:  v.shape,
		Dump:   shape,
		Ours:   inspect.RangeOf(v.values),
		Theirs: inspect.RangeOf(theirs),
	}
	fits := layouts(images, positions, channels, shape)
	if len(fits) == 0 { // it comes from another model or another place
		s.Differs = true
		return s, nil
	}
	best := math.Inf(1)
	for i, l := range fits { // if two layouts fit, take the one that agrees
		d, at, their := difference(v.values, theirs, positions, channels, l)
		if i > 0 && !(d < best) {
			continue
		}
		best, s.Layout = d, l.name
		s.At, s.Our, s.Their = position(at, v.shape), fmt.Sprintf("%.6g", v.values[at]), fmt.Sprintf("%.6g", their)
	}
	relative := best / math.Max(math.Abs(s.Theirs.Min), math.Abs(s.Theirs.Max))
	switch {
	case math.IsInf(best, 1):
		s.Differs = true
		return s, nil
	case best == 0:
		relative = 0
	}
	s.Largest = &best
	s.Differs = !(relative <= tolerance)
	if !math.IsInf(relative, 0) && !math.IsNaN(relative) {
		s.Relative = &relative
	}
	return s, nil
}

// difference returns the largest difference, its place among our values, and the other value
// there. It is infinite if only one side is finite, or the two are not finite in different ways.
func difference(ours, theirs []float32, positions, channels int, l layout) (largest float64, at int, their float32) {
	largest = -1
	for i, v := range ours {
		image, rest := i/(positions*channels), i%(positions*channels)
		w := theirs[l.place(image, rest/channels, rest%channels)]
		d := math.Abs(float64(v) - float64(w))
		switch {
		case v == w || v != v && w != w: //nolint:gocritic // NaN on both sides
			d = 0
		case v-v != 0 || w-w != 0:
			d = math.Inf(1)
		}
		if d > largest {
			largest, at, their = d, i, w
		}
	}
	return largest, at, their
}

func position(i int, shape []int) []int {
	at := make([]int, len(shape))
	for d := len(shape) - 1; d >= 0; d-- {
		at[d], i = i%shape[d], i/shape[d]
	}
	return at
}
