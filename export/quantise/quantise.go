package quantise

import (
	"fmt"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/ops"
)

// Images are the images to measure values on: [Count, Height, Width, Channels], in the form for the
// model.
type Images struct {
	Data                           []float32
	Count, Height, Width, Channels int
}

// batch returns n images from image i on.
func (im Images) batch(i, n int) []float32 {
	each := im.Height * im.Width * im.Channels
	return im.Data[i*each : (i+n)*each]
}

// Options are the options of a quantisation. The zero value of each is the default.
type Options struct {
	Method Method
	// Float names units that stay in float32: names of units, of their weights, or patterns with * and
	// ?.
	Float []string
	// NoCorrection turns off the correction of means. NoEqualisation turns off the rescaling of channels:
	// in a block of a FasterNet between the partial convolution and the first product, and in other
	// layers in the input.
	NoCorrection, NoEqualisation bool
}

// FewImages is the number of images below which the measured ranges mean little.
const FewImages = 32

// Result is a model in 8 bits.
type Result struct {
	Model graph.Int8Model
	// Float lists the units that stay in float32.
	Float []string
	Notes []string
}

func (r *Result) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// Run copies a model with its configuration, and converts the copy to 8 bits. A model with a folded form
// is folded first, and its weights are adapted to the size of the images.
func Run(c *configs.Config, m graph.Model, images Images, o Options) (*Result, error) {
	if err := Able(m); err != nil {
		return nil, err
	}
	if images.Count < 1 {
		return nil, fmt.Errorf("no images to measure the values of the model on")
	}
	m, err := graph.ForSize(m, images.Height)
	if err != nil {
		return nil, err
	}
	folded, err := copyFolded(m.(graph.Int8Model), images.Height)
	if err != nil {
		return nil, err
	}
	r := &Result{Model: folded}
	units, err := r.choose(folded.Int8Units(), o.Float)
	if err != nil {
		return nil, err
	}
	if images.Count < FewImages {
		r.note("ranges are measured on few images (%d): take %d or more, or the accuracy may suffer",
			images.Count, FewImages)
	}
	if !o.NoEqualisation {
		if err := balance(c, folded, units, images); err != nil {
			return nil, err
		}
	}
	values, err := measure(c, folded, images)
	if err != nil {
		return nil, err
	}
	if dead := values.constant(); len(dead) > 0 {
		r.note("%d channels have the same value in all images (the first are in %s): nothing to do",
			dead[0].channels+rest(dead), dead[0].name)
	}
	s := &graph.Int8State{Factors: map[string]graph.Int8Factors{}, Grids: map[string]ops.Grid{}}
	q := &quantiser{units: units, values: values, state: s, options: o}
	for _, u := range units {
		if err := q.grids(u); err != nil {
			return nil, err
		}
	}
	for _, u := range units {
		q.weights(u)
	}
	if err := folded.SetInt8(s); err != nil {
		return nil, err
	}
	if err := roundBiases(folded, units); err != nil {
		return nil, err
	}
	if !o.NoCorrection {
		if err := correct(c, m, folded, units, images); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func rest(dead []deadChannels) (n int) {
	for _, d := range dead[1:] {
		n += d.channels
	}
	return n
}

// Able returns an error that says why a model has no form in 8 bits; nil if it has one.
func Able(m graph.Model) error {
	f, ok := m.(graph.Int8Model)
	if !ok {
		name := "this model"
		if c, ok := m.(interface{ Config() configs.Model }); ok {
			name = "a " + c.Config().Title()
		}
		return fmt.Errorf("%s has no form in 8 bits", name)
	}
	if f.Int8() != nil {
		return fmt.Errorf("the model is already in 8 bits: take the float32 model that it was made from")
	}
	return f.NoInt8()
}

// copyFolded copies a model, and folds it if it has a folded form.
func copyFolded(f graph.Int8Model, size int) (graph.Int8Model, error) {
	if foldable, ok := f.(graph.Foldable); ok {
		folded, err := foldable.Fold()
		if err != nil {
			return nil, err
		}
		if folded != graph.Model(f) {
			return folded.(graph.Int8Model), nil
		}
	}
	made, err := graph.Copy(f, size)
	if err != nil {
		return nil, err
	}
	return made.(graph.Int8Model), nil
}

// choose finds the units to convert to 8 bits.
func (r *Result) choose(units []graph.Int8Unit, float []string) (out []graph.Int8Unit, err error) {
	used := make([]bool, len(float))
	var names []string
	for _, u := range units {
		names = append(names, u.Name)
		stays := false
		for i, p := range float {
			if named(u, p) {
				stays, used[i] = true, true
			}
		}
		for _, w := range u.Weights {
			if n := w.Size() / w.Shape()[0]; n > kernels.MostInner {
				r.note("%s stays in float32: sums of %d products do not fit into 32 bits", u.Name, n)
				stays = true
			}
		}
		if stays {
			r.Float = append(r.Float, u.Name)
		} else {
			out = append(out, u)
		}
	}
	if i := slices.Index(used, false); i >= 0 {
		return nil, fmt.Errorf("no layer has the name %q; there are %s", float[i], strings.Join(names, ", "))
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("all layers stay in float32: export without int8")
	}
	return out, nil
}

// named reports whether a pattern names a unit, or a weight of it.
func named(u graph.Int8Unit, pattern string) bool {
	if match(pattern, u.Name) {
		return true
	}
	for _, w := range u.Weights {
		if match(pattern, w.Name) || match(pattern, strings.TrimSuffix(w.Name, ".weight")) {
			return true
		}
	}
	return false
}

// match reports whether a name matches a pattern, in which * stands for any characters, dots too, and ?
// for one.
func match(pattern, name string) bool {
	switch {
	case pattern == "":
		return name == ""
	case pattern[0] == '*':
		return match(pattern[1:], name) || name != "" && match(pattern, name[1:])
	case name == "":
		return false
	}
	return (pattern[0] == '?' || pattern[0] == name[0]) && match(pattern[1:], name[1:])
}
