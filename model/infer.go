package model

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/formats"
	"fasternet/formats/torch"
	"fasternet/graph"
)

// The user has to say what the tensors of a network do not tell.
var (
	ErrActivation = errors.New("the weights do not tell the activation")
	ErrHeads      = errors.New("the weights do not tell the number of attention heads")
	ErrVariant    = errors.New("the names of the tensors do not tell which Swin it is")
)

// shapesOf reads the architecture off the shapes of the tensors: the sizes, and of a
// transformer the side of the images that it is for, 0 if the tensors do not tell it. The
// model has no more values than the file, but for a factor.
func shapesOf(s *torch.State) (m configs.Model, imageSize int, err error) {
	switch s.Family {
	case torch.FasterNet:
		m, err = fasterNetShapes(s.Tensors)
	case torch.ViT:
		m, imageSize, err = vitShapes(s.Tensors)
	case torch.Swin:
		m, imageSize, err = swinShapes(s.Tensors)
	default:
		err = errUnknown(s.Tensors)
	}
	if err == nil {
		err = affordable(m, imageSize, s.Tensors)
	}
	return m, imageSize, err
}

// affordable says whether a model has no more values than a file, but for a classifier
// that may be missing: shapes of a few tensors could describe any others.
func affordable(m configs.Model, imageSize int, ts []formats.Tensor) error {
	if m.Name == "vit" {
		m.NumHeads = configs.Heads{1} // does not change the number
	}
	if imageSize == 0 {
		imageSize = m.PatchSize * max(m.WindowSize, 1) << (max(len(m.Depths), 1) - 1)
	}
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
		names = append(names, clip(t.Name))
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
	return fmt.Errorf("not the weights of a FasterNet, a ViT or a Swin under names that are known: %s, …%s", strings.Join(names, ", "), hint)
}

// infer finds the configuration of foreign weights that come with none. A preset whose
// shapes are the same is taken with all its values; the settings must name the rest.
func (s *source) infer(settings []string) (*configs.Config, error) {
	m, size, err := shapesOf(s.state)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	var told []string // settings that follow from the tensors and their names
	if m.NumClasses > 0 {
		told = append(told, fmt.Sprintf("model.num_classes=%d", m.NumClasses))
	}
	if m.Name != "fasternet" {
		if told, err = s.inferTransformer(&m, &size, told, settings); err != nil {
			return nil, ConfigError{err}
		}
	}
	preset, err := presetOf(m)
	if err != nil {
		return nil, err
	}
	if preset != "" {
		s.noteAssumed(preset, m)
		return asConfigError(configs.Load(preset, slices.Concat(told, settings)...))
	}
	switch {
	case m.Name == "fasternet" && !setsKey(settings, "model.act_layer"):
		return nil, ConfigError{fmt.Errorf("%s is a FasterNet of its own (embed_dim %d, depths %v, %d classes): %w%s", s.path, m.EmbedDim, m.Depths, m.NumClasses, ErrActivation, s.ways.ask("model.act_layer=gelu or relu"))}
	case m.Name == "vit" && !setsKey(settings, "model.num_heads"):
		return nil, ConfigError{fmt.Errorf("%s is a ViT of its own (embed_dim %d, depth %d): %w%s", s.path, m.EmbedDim, m.Depth, ErrHeads, s.ways.ask("model.num_heads=N"))}
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
	if a.Name != b.Name || a.EmbedDim != b.EmbedDim || !slices.Equal(a.Depths, b.Depths) || a.Depth != b.Depth || a.MLPRatio != b.MLPRatio || a.InChans != b.InChans || a.PatchSize != b.PatchSize {
		return false
	}
	switch a.Name {
	case "vit":
		return true
	case "swin":
		return slices.Equal(a.NumHeads, b.NumHeads) && a.WindowSize == b.WindowSize && a.PatchNorm == b.PatchNorm
	case "fasternet":
		return a.NDiv == b.NDiv && a.FeatureDim == b.FeatureDim && a.PatchSize2 == b.PatchSize2 && (a.LayerScaleInitValue > 0) == (b.LayerScaleInitValue > 0)
	}
	return false // of another family no tensors are known
}

// noteAssumed says which values are taken that no tensor tells.
func (s *source) noteAssumed(preset string, m configs.Model) {
	from := "the usual values are taken"
	if preset != "" {
		from = fmt.Sprintf("the preset %s has the same shapes, and its values are taken", preset)
	}
	var what []string
	if m.Name == "vit" && preset != "" {
		what = append(what, "the number of attention heads")
	}
	if m.Name != "fasternet" {
		what = append(what, "the activation (gelu)", fmt.Sprintf("the eps of its norms (%g)", m.NormEps))
	} else if preset != "" {
		what = append(what, "the activation")
	}
	if m.Name != "vit" || m.GlobalPool { // else there is a note about the class token
		what = append(what, "the pool (mean)")
	}
	what = append(what, "mean and deviation of the pixels")
	s.note("the tensors do not tell %s: %s", strings.Join(what, ", "), from)
}

// classesOf is the number of classes that a classifier among the tensors has; 0
// if there is none.
func classesOf(ts []formats.Tensor) int {
	i := slices.IndexFunc(ts, func(t formats.Tensor) bool { return t.Name == "head.weight" && len(t.Shape) >= 2 })
	if i < 0 {
		return 0
	}
	return ts[i].Shape[0]
}

// shapes finds tensors of a family by name, and says what is wrong with them.
type shapes struct {
	family string
	of     map[string][]int
}

func newShapes(family string, ts []formats.Tensor) shapes {
	s := shapes{family, make(map[string][]int, len(ts))}
	for _, t := range ts {
		s.of[t.Name] = t.Shape
	}
	return s
}

func (s shapes) has(name string) bool { _, ok := s.of[name]; return ok }

// get finds a tensor of at least n dimensions, none of them 0.
func (s shapes) get(name string, n int) ([]int, error) {
	shape, ok := s.of[name]
	if !ok {
		return nil, fmt.Errorf("not the weights of a %s: there is no %s", s.family, name)
	}
	if len(shape) < n || slices.Contains(shape, 0) {
		return nil, fmt.Errorf("not the weights of a %s: %s has shape %v", s.family, name, shape)
	}
	return shape, nil
}

// count is how many of numbered tensors there are, from 0.
func (s shapes) count(name func(i int) string) int {
	n := 0
	for s.has(name(n)) {
		n++
	}
	return n
}

// fasterNetShapes is shapesOf a FasterNet. A convolution of patches is taken to step by
// its own size.
func fasterNetShapes(ts []formats.Tensor) (configs.Model, error) {
	m := configs.Default().Model
	all := newShapes("FasterNet", ts)
	s, err := all.get("patch_embed.proj.weight", 4)
	if err != nil {
		return m, err
	}
	m.EmbedDim, m.InChans, m.PatchSize = s[0], s[1], s[2]
	m.Depths, m.MLPRatio = nil, 0
	for dim := m.EmbedDim; ; dim *= 2 {
		i := len(m.Depths)
		block := func(j int) string { return fmt.Sprintf("stages.%d.blocks.%d.mlp.0.weight", 2*i, j) }
		if !all.has(block(0)) && i > 0 {
			break
		}
		s, err := all.get(block(0), 2)
		if err != nil {
			return m, err
		}
		if s[1] != dim {
			return m, fmt.Errorf("not the weights of a FasterNet: %s has shape %v, want %d channels", block(0), s, dim)
		}
		// A ratio with a fraction leaves different remainders: the largest fits all.
		m.MLPRatio = max(m.MLPRatio, ratio(s[0], dim))
		if i > 0 {
			if s, err = all.get(fmt.Sprintf("stages.%d.reduction.weight", 2*i-1), 4); err != nil {
				return m, err
			}
			if s[0] != dim {
				return m, fmt.Errorf("not the weights of a FasterNet: stages.%d.reduction.weight has shape %v, want %d channels", 2*i-1, s, dim)
			}
			m.PatchSize2 = s[2]
		}
		m.Depths = append(m.Depths, all.count(block))
	}
	if s, err = all.get("stages.0.blocks.0.spatial_mixing.partial_conv3.weight", 4); err != nil {
		return m, err
	}
	if m.NDiv = m.EmbedDim / s[0]; m.NDiv < 1 {
		return m, fmt.Errorf("not the weights of a FasterNet: a partial convolution of %d channels, of which there are %d", s[0], m.EmbedDim)
	}
	if s, err = all.get("avgpool_pre_head.1.weight", 2); err != nil {
		return m, err
	}
	m.FeatureDim, m.NumClasses = s[0], classesOf(ts)
	m.PatchStride, m.PatchStride2 = m.PatchSize, m.PatchSize2
	if all.has("stages.0.blocks.0.layer_scale") {
		m.LayerScaleInitValue = 1 // the values are in the file
	}
	return m, nil
}

// ratio is the smallest mlp_ratio that gives so many hidden channels.
func ratio(hidden, channels int) float64 {
	r := float64(hidden) / float64(channels)
	for int(float64(channels)*r) < hidden {
		r = math.Nextafter(r, math.Inf(1))
	}
	return r
}
