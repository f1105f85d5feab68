package model

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/formats"
	"fasternet/formats/torch"
	"fasternet/graph"
	"fasternet/graph/foreign"
)

// shapesOf reads the architecture off the shapes of the tensors: the sizes, and the side of
// the images that it is for, 0 if the tensors do not tell it. The model has no more values
// than the file, but for a factor.
func (s *source) shapesOf() (m configs.Model, imageSize int, err error) {
	f := weightsOf(s.state.Family)
	if f.Shapes == nil {
		return m, 0, fmt.Errorf("%w%s", errUnknown(s.state.Tensors), option(": ", s.ways.Config, ""))
	}
	if m, imageSize, err = f.Shapes(s.shapes()); err != nil {
		return m, imageSize, err
	}
	size := imageSize
	if size == 0 && f.ImageSize != nil {
		size = f.ImageSize(m)
	}
	return m, imageSize, affordable(m, size, s.state.Tensors)
}

// affordable says whether a model has no more values than a file, but for a classifier
// that may be missing: shapes of a few tensors could describe any others.
func affordable(m configs.Model, imageSize int, ts []formats.Tensor) error {
	parameters, err := graph.Parameters(m, imageSize, false)
	if err != nil {
		return err
	}
	values := 0
	for _, t := range ts {
		values += t.Size() // the file has as many
	}
	if parameters > 2*values+1<<16 {
		return fmt.Errorf("its %d tensors have %d values, fewer than some of their shapes describe (%d)", len(ts), values, parameters)
	}
	return nil
}

// errUnknown says that the tensors are of no network that is known by its names.
func errUnknown(ts []formats.Tensor) error {
	var names []string
	for _, t := range ts[:min(3, len(ts))] {
		names = append(names, foreign.Clip(t.Name))
	}
	hint := ""
	for _, t := range ts {
		switch {
		case strings.Contains(t.Name, "attention.attention.query.") || strings.Contains(t.Name, "attention.self.query."):
			hint = "; these are the names of Hugging Face transformers, which are not read: export the model from timm"
		case strings.HasSuffix(t.Name, ".attn.logit_scale"):
			hint = "; they look like a Swin V2, which is another network"
		}
	}
	return fmt.Errorf("not the weights of %s under names that are known: %s, …%s", either(torch.Titles()), strings.Join(names, ", "), hint)
}

// either lists kinds: "a FasterNet, a ViT or a Swin".
func either(kinds []string) string {
	if len(kinds) < 2 {
		return "a " + strings.Join(kinds, "")
	}
	last := len(kinds) - 1
	return "a " + strings.Join(kinds[:last], ", a ") + " or a " + kinds[last]
}

// infer finds the configuration of foreign weights that come with none. A preset whose
// shapes are the same is taken with all its values; the settings must name the rest.
func (s *source) infer(settings []string) (*configs.Config, error) {
	m, size, err := s.shapesOf()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	f, w := weightsOf(s.state.Family), s.weights(settings)
	var told []string // settings that follow from the tensors and their names
	if m.NumClasses > 0 {
		told = append(told, fmt.Sprintf("model.num_classes=%d", m.NumClasses))
	}
	if f.Told != nil {
		more, err := f.Told(w, &m, &size)
		if err != nil {
			return nil, ConfigError{err}
		}
		told = append(told, more...)
	}
	preset, err := presetOf(m)
	if err != nil {
		return nil, err
	}
	if preset != "" {
		s.noteAssumed(preset, m)
		return asConfigError(configs.Load(preset, slices.Concat(told, settings)...))
	}
	if f.Untold != nil {
		if err := f.Untold(w, m); err != nil {
			return nil, ConfigError{err}
		}
	}
	s.noteAssumed("", m)
	text, err := m.YAML()
	if err != nil {
		return nil, err
	}
	if size > 0 {
		text += fmt.Sprintf("data: {image_size: %d}\n", size)
	}
	var grey []string
	if m.InChans == 1 {
		grey = []string{"data.mean=[0.5]", "data.std=[0.5]"}
	}
	return asConfigError(configs.Parse("architecture found in "+s.path, text, slices.Concat(grey, told, settings)...))
}

func asConfigError(c *configs.Config, err error) (*configs.Config, error) {
	if err != nil {
		return nil, ConfigError{err}
	}
	return c, nil
}

// presetOf is the preset of a classifier that has the shapes of a model; "" if none has.
func presetOf(m configs.Model) (string, error) {
	for _, preset := range configs.Presets() {
		c, err := configs.Load(preset)
		if err != nil {
			return "", err
		}
		if c.Task == "classify" && sameShapes(c.Model, m) {
			return preset, nil
		}
	}
	return "", nil
}

// sameShapes says whether two architectures have the same tensors, but for the number of
// classes and what images they are for.
func sameShapes(a, b configs.Model) bool {
	if a.Name != b.Name {
		return false
	}
	family, ok := graph.FamilyOf(a.Name)
	if !ok {
		return false // of another family no tensors are known
	}
	if f := family.Weights.SameShapes; f != nil {
		return f(a, b)
	}
	return a.InChans == b.InChans && reflect.DeepEqual(a.Arch, b.Arch)
}

// noteAssumed says which values are taken that no tensor tells.
func (s *source) noteAssumed(preset string, m configs.Model) {
	from := "the usual values are taken"
	if preset != "" {
		from = fmt.Sprintf("the preset %s has the same shapes, and its values are taken", preset)
	}
	var what []string
	if f := weightsOf(torch.Family(m.Name)).Assumed; f != nil {
		what = f(m, preset != "")
	}
	what = append(what, "mean and deviation of the pixels")
	s.note("the tensors do not show %s: %s", strings.Join(what, ", "), from)
}

// classesOf is the number of classes that a classifier among the tensors has; 0
// if there is none.
func classesOf(ts []formats.Tensor) int { return foreign.NewShapes("", ts).Classes() }
