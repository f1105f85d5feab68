package model

import (
	"fmt"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/formats"
	"fasternet/graph/localmim"
	"fasternet/kernels"
	"fasternet/layers"
)

// StartPretraining fills a LocalMIM with the weights of another pre-training:
// a run's folder, a checkpoint, or an official file.
func StartPretraining(m *localmim.Model, path string, o LoadOptions) error {
	src, err := readSource(path, o)
	if err != nil {
		return err
	}
	return src.startPretraining(m, o)
}

func (s *source) startPretraining(m *localmim.Model, o LoadOptions) error {
	if !s.pretrained() {
		return fmt.Errorf("%s is not of a LocalMIM pre-training: it has no decoders", s.path)
	}
	c := m.Config()
	if err := s.sameFunction(c, nil); err != nil {
		return err
	}
	if s.mergesOfficially() != (c.MIM.MergeOrder == "official") {
		s.state.Tensors = reorder(s.state.Tensors, m.Encoder())
	}
	return s.fill(m.Store(), c, o)
}

// pretrained reports whether the tensors belong to a LocalMIM.
func (s *source) pretrained() bool {
	return localmim.Pretrained(func(name string) bool {
		return slices.ContainsFunc(s.state.Tensors, func(t formats.Tensor) bool { return t.Name == name })
	})
}

// mergesOfficially reports whether the patch merging of a pre-trained Swin has the order of neighbours of
// the published pre-training. The published classifiers have a different order.
func (s *source) mergesOfficially() bool {
	return s.config == nil || s.config.MIM.MergeOrder == "official"
}

// afterEncoder reports whether a tensor of a classifier comes after the encoder: it begins with fresh values.
func afterEncoder(family string) func(name string) bool {
	e, _ := localmim.EncoderOf(family) // most families have none
	return e.AfterEncoder
}

// encoder turns the tensors of a LocalMIM into the tensors of a classifier to fine-tune, without final
// norm and head.
func (s *source) encoder(c *configs.Config) (ts []formats.Tensor, notes []string) {
	left := 0
	for _, t := range s.state.Tensors {
		name, ok := localmim.BackboneName(t.Name)
		if !ok {
			left++
			continue
		}
		t.Name = name
		ts = append(ts, t)
	}
	if n := s.fromVisible(ts); n > 0 {
		notes = append(notes, fmt.Sprintf("%d batch norms have statistics of masked images: the run ended before "+
			"it measured whole ones, at the end of an epoch; train.precise_bn measures them again", n))
	}
	if e, err := localmim.EncoderOf(c.Model.Name); err == nil && e.Reorder != nil && s.mergesOfficially() {
		ts = reorder(ts, e)
		notes = append(notes,
			"patch merging of the pre-training orders its neighbours differently: the middle two are swapped")
	}
	notes = append(notes, fmt.Sprintf("%d tensors of the pre-training's taps, decoders and targets are not used", left))
	return ts, notes
}

// fromVisible sets batch norms to the statistics of masked images, if the run ended before it measured
// whole ones. It returns the number of these norms.
func (s *source) fromVisible(ts []formats.Tensor) (norms int) {
	const mean, variance, count = ".running_mean", ".running_var", ".num_batches_tracked"
	values := func(name string) *formats.Tensor {
		i := slices.IndexFunc(s.state.Tensors, func(t formats.Tensor) bool { return t.Name == name })
		if i < 0 {
			return nil
		}
		return &s.state.Tensors[i]
	}
	measured := map[string]bool{}
	for _, t := range ts {
		if norm, ok := strings.CutSuffix(t.Name, count); ok &&
			(len(t.I64) > 0 && t.I64[0] > 0 || len(t.F32) > 0 && t.F32[0] > 0) {
			measured[norm] = true
		}
	}
	for i, t := range ts {
		for _, what := range []string{mean, variance} {
			norm, ok := strings.CutSuffix(t.Name, what)
			if !ok || measured[norm] {
				continue
			}
			if visible := values(localmim.VisibleName(t.Name)); visible != nil && len(visible.F32) == len(t.F32) {
				ts[i].F32 = visible.F32
				if what == mean {
					norms++
				}
			}
		}
	}
	return norms
}

// reorder brings the tensors of a backbone into the other of its two published orders, if it has two.
func reorder(ts []formats.Tensor, e localmim.Encoder) []formats.Tensor {
	if e.Reorder == nil {
		return ts
	}
	out := slices.Clone(ts)
	for i, t := range out {
		out[i].F32 = e.Reorder(t.Name, t.Shape, t.F32)
	}
	return out
}

// freshHead scales the weights of a new classifier on a pre-trained encoder as the official fine-tuning does.
func freshHead(store *layers.Store, initStd float64) {
	const std = 2e-5
	if e, ok := store.Lookup("head.weight"); ok && e.Param != nil && initStd > 0 {
		kernels.Scale(e.Param.Data(), float32(std/initStd))
		e.Param.Changed()
	}
}
