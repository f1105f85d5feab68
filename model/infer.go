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

// shapesOf reads the architecture from the shapes of the tensors: the sizes, and the side of the images,
// 0 if the tensors do not tell it. The model has at most a constant factor more values than the file.
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

// affordable returns an error if the model has more values than the file, not counting a classifier. The
// shapes of a few tensors could otherwise describe a model of any size.
func affordable(m configs.Model, imageSize int, ts []formats.Tensor) error {
	parameters, err := graph.Parameters(m, imageSize, false)
	if err != nil {
		return err
	}
	values := 0
	for _, t := range ts {
		values += t.Size() // the file has as many
	}
	if !nearly(parameters, values) {
		return fmt.Errorf("its %d tensors have %d values, fewer than some of their shapes describe (%d)",
			len(ts), values, parameters)
	}
	return nil
}

// nearly reports whether a model has at most a constant factor more values than the file, which lacks a
// classifier.
func nearly(parameters, values int) bool { return parameters <= 2*values+1<<16 }

// errUnknown says that the tensors have the names of no known network.
func errUnknown(ts []formats.Tensor) error {
	var names []string
	for _, t := range ts[:min(3, len(ts))] {
		names = append(names, foreign.Clip(t.Name))
	}
	hint := ""
	for _, t := range ts {
		switch {
		case strings.Contains(t.Name, "attention.attention.query.") ||
			strings.Contains(t.Name, "attention.self.query."):
			hint = "; these are names of Hugging Face transformers, which are not supported: export the model from timm"
		case strings.HasSuffix(t.Name, ".attn.logit_scale"):
			hint = "; they look like a Swin V2, which is another network"
		}
	}
	return fmt.Errorf("no known weights of %s: the tensors are called %s, …%s",
		either(torch.Titles()), strings.Join(names, ", "), hint)
}

// either joins kinds: "a FasterNet, a ViT or a Swin".
func either(kinds []string) string {
	if len(kinds) < 2 {
		return "a " + strings.Join(kinds, "")
	}
	last := len(kinds) - 1
	return "a " + strings.Join(kinds[:last], ", a ") + " or a " + kinds[last]
}

// infer finds the configuration of foreign weights without one. If a preset has the same shapes, infer
// takes all of its values. The settings must name the rest.
func (s *source) infer(settings []string) (*configs.Config, error) {
	m, size, err := s.shapesOf()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	f, w := weightsOf(s.state.Family), s.weights(settings)
	var told []string // settings from the tensors and their names
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

// presetOf returns the preset of a classifier with the shapes of a model; "" if there is none.
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

// sameShapes reports whether two architectures have the same tensors, whatever their number of classes
// and their images.
func sameShapes(a, b configs.Model) bool {
	if a.Name != b.Name {
		return false
	}
	family, ok := graph.FamilyOf(a.Name)
	if !ok {
		return false // the tensors of other families are unknown
	}
	if f := family.Weights.SameShapes; f != nil {
		return f(a, b)
	}
	return a.InChans == b.InChans && reflect.DeepEqual(a.Arch, b.Arch)
}

// noteAssumed names the values that no tensor tells and that were assumed.
func (s *source) noteAssumed(preset string, m configs.Model) {
	from := "the usual values are used"
	if preset != "" {
		from = fmt.Sprintf("the values come from preset %s, which has the same shapes", preset)
	}
	var what []string
	if f := weightsOf(torch.Family(m.Name)).Assumed; f != nil {
		what = f(m, preset != "")
	}
	what = append(what, "mean and deviation of the pixels")
	s.note("the tensors do not show %s: %s", strings.Join(what, ", "), from)
}

// classesOf returns the number of classes of the classifier among the tensors, 0 if there is none.
func classesOf(ts []formats.Tensor) int { return foreign.NewShapes("", ts).Classes() }
