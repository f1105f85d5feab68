package model

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/weights"
)

// ErrActivation says that the weights of a FasterNet do not tell which
// activation they were trained with.
var ErrActivation = errors.New("the weights do not tell the activation: add --set model.act_layer=gelu or relu, or --config with a preset or a file")

// infer finds the configuration of a FasterNet of that architecture. A preset
// whose shapes are the same is taken with all it says; otherwise the settings
// must name the activation. The name stands for the file in errors.
func infer(name string, m configs.Model, settings []string) (*configs.Config, error) {
	for _, preset := range configs.Presets() {
		c, err := configs.Load(preset)
		if err != nil {
			return nil, err
		}
		if sameShapes(c.Model, m) {
			return configs.Load(preset, append(classSetting(m.NumClasses), settings...)...)
		}
	}
	if !slices.ContainsFunc(settings, func(s string) bool { return strings.HasPrefix(s, "model.act_layer=") }) {
		return nil, fmt.Errorf("%s is a FasterNet of its own (embed_dim %d, depths %v, %d classes): %w", name, m.EmbedDim, m.Depths, m.NumClasses, ErrActivation)
	}
	text := fmt.Sprintf(`model: {embed_dim: %d, depths: %s, mlp_ratio: %v, n_div: %d, feature_dim: %d, in_chans: %d,
  patch_size: %d, patch_stride: %[7]d, patch_size2: %d, patch_stride2: %[8]d, layer_scale_init_value: %v, num_classes: %d}
`, m.EmbedDim, strings.ReplaceAll(fmt.Sprint(m.Depths), " ", ", "), m.MLPRatio, m.NDiv, m.FeatureDim, m.InChans, m.PatchSize, m.PatchSize2, m.LayerScaleInitValue, m.NumClasses)
	if m.InChans == 1 {
		text += "data: {mean: [0.5], std: [0.5]}\n"
	}
	return configs.Parse("architecture found in "+name, text, settings...)
}

func classSetting(classes int) []string {
	if classes == 0 {
		return nil
	}
	return []string{fmt.Sprintf("model.num_classes=%d", classes)}
}

// sameShapes says whether two architectures have the same tensors, but for the
// number of classes.
func sameShapes(a, b configs.Model) bool {
	return a.Name == b.Name && a.EmbedDim == b.EmbedDim && slices.Equal(a.Depths, b.Depths) && a.MLPRatio == b.MLPRatio && a.NDiv == b.NDiv &&
		a.FeatureDim == b.FeatureDim && a.PatchSize == b.PatchSize && a.PatchSize2 == b.PatchSize2 && a.InChans == b.InChans &&
		(a.LayerScaleInitValue > 0) == (b.LayerScaleInitValue > 0)
}

// classesOf is the number of classes that a classifier among the tensors has; 0
// if there is none.
func classesOf(ts []weights.Tensor) int {
	i := slices.IndexFunc(ts, func(t weights.Tensor) bool { return t.Name == "head.weight" && len(t.Shape) >= 2 })
	if i < 0 {
		return 0
	}
	return ts[i].Shape[0]
}

// architecture reads sizes off the shapes. A convolution of patches is taken to
// step by its own size. Every size is that of a tensor which is there, so that
// the model needs no more memory than the file.
func architecture(ts []weights.Tensor) (configs.Model, error) {
	m := configs.Default().Model
	shapes := make(map[string][]int, len(ts))
	for _, t := range ts {
		shapes[t.Name] = t.Shape
	}
	// shape finds a tensor of at least n dimensions, none of them 0.
	shape := func(name string, n int) ([]int, error) {
		s, ok := shapes[name]
		if !ok {
			return nil, fmt.Errorf("not the weights of a FasterNet, the only model that can be told by its tensors: there is no %s; for another one say which with --config", name)
		}
		if len(s) < n || slices.Contains(s, 0) {
			return nil, fmt.Errorf("not the weights of a FasterNet: %s has shape %v", name, s)
		}
		return s, nil
	}
	s, err := shape("patch_embed.proj.weight", 4)
	if err != nil {
		return m, err
	}
	m.EmbedDim, m.InChans, m.PatchSize = s[0], s[1], s[2]
	m.Depths, m.MLPRatio = nil, 0
	for dim := m.EmbedDim; ; dim *= 2 {
		i := len(m.Depths)
		block := func(j int) string { return fmt.Sprintf("stages.%d.blocks.%d.mlp.0.weight", 2*i, j) }
		if _, ok := shapes[block(0)]; !ok && i > 0 {
			break
		}
		s, err := shape(block(0), 2)
		if err != nil {
			return m, err
		}
		if s[1] != dim {
			return m, fmt.Errorf("not the weights of a FasterNet: %s has shape %v, want %d channels", block(0), s, dim)
		}
		// A ratio with a fraction leaves different remainders: the largest fits all.
		m.MLPRatio = max(m.MLPRatio, ratio(s[0], dim))
		if i > 0 {
			if s, err = shape(fmt.Sprintf("stages.%d.reduction.weight", 2*i-1), 4); err != nil {
				return m, err
			}
			if s[0] != dim {
				return m, fmt.Errorf("not the weights of a FasterNet: stages.%d.reduction.weight has shape %v, want %d channels", 2*i-1, s, dim)
			}
			m.PatchSize2 = s[2]
		}
		depth := 0
		for ; ; depth++ {
			if _, ok := shapes[block(depth)]; !ok {
				break
			}
		}
		m.Depths = append(m.Depths, depth)
	}
	if s, err = shape("stages.0.blocks.0.spatial_mixing.partial_conv3.weight", 4); err != nil {
		return m, err
	}
	if m.NDiv = m.EmbedDim / s[0]; m.NDiv < 1 {
		return m, fmt.Errorf("not the weights of a FasterNet: a partial convolution of %d channels, of which there are %d", s[0], m.EmbedDim)
	}
	if s, err = shape("avgpool_pre_head.1.weight", 2); err != nil {
		return m, err
	}
	m.FeatureDim, m.NumClasses = s[0], classesOf(ts)
	m.PatchStride, m.PatchStride2 = m.PatchSize, m.PatchSize2
	if _, ok := shapes["stages.0.blocks.0.layer_scale"]; ok {
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
