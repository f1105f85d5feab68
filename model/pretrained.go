package model

import (
	"fmt"
	"regexp"
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
	if c.Model.Name == "swin" && s.mergesOfficially() != (c.MIM.MergeOrder == "official") {
		s.state.Tensors = swapMerging(s.state.Tensors)
	}
	return s.fill(m.Store(), c, o)
}

// pretrained says whether the tensors are those of a LocalMIM.
func (s *source) pretrained() bool {
	return slices.ContainsFunc(s.state.Tensors, func(t formats.Tensor) bool { return t.Name == "decoder.0.mask_token" })
}

// mergesOfficially says whether the patch merging of a pre-trained Swin has its
// neighbours in the order of the published pre-training, which differs from that
// of the published classifiers.
func (s *source) mergesOfficially() bool {
	return s.config == nil || s.config.MIM.MergeOrder == "official"
}

// besideEncoder are the tensors of a LocalMIM that its encoder does not have.
var besideEncoder = regexp.MustCompile(`^(norm\.\d+|decoder\.\d+|hog_enc\.\d+)\.`)

// afterEncoder says whether a tensor of a classifier comes behind the encoder:
// it begins with fresh values.
func afterEncoder(name string) bool {
	return strings.HasPrefix(name, "norm.") || strings.HasPrefix(name, "fc_norm.") || strings.HasPrefix(name, "head.")
}

// encoder turns the tensors of a LocalMIM into those of a classifier without its
// final norm and its head: what is to be fine-tuned.
func (s *source) encoder(c *configs.Config) (ts []formats.Tensor, notes []string) {
	left := 0
	for _, t := range s.state.Tensors {
		name := strings.TrimPrefix(t.Name, "encoder.")
		if besideEncoder.MatchString(name) {
			left++
			continue
		}
		t.Name = name
		ts = append(ts, t)
	}
	if c.Model.Name == "swin" && s.mergesOfficially() {
		ts = swapMerging(ts)
		notes = append(notes, "patch merging of the pre-training has another order of neighbours: the two in the middle are swapped")
	}
	notes = append(notes, fmt.Sprintf("%d tensors of the pre-training's taps, decoders and targets are not used", left))
	return ts, notes
}

// swapMerging swaps the second and the third of the four neighbours in the inputs
// of the patch merging layers, which makes one order of the other.
func swapMerging(ts []formats.Tensor) []formats.Tensor {
	out := slices.Clone(ts)
	for i, t := range out {
		out[i].F32 = swapMiddle(t.Name, t.Shape, t.F32)
	}
	return out
}

// swapMiddle is swapMerging of one tensor; others are as they were.
func swapMiddle(name string, shape []int, values []float32) []float32 {
	if !strings.Contains(name, ".downsample.") || values == nil || len(shape) == 0 {
		return values
	}
	width := shape[len(shape)-1]
	if width%4 != 0 || width == 0 {
		return values
	}
	data, c := slices.Clone(values), width/4
	for row := 0; row < len(data); row += width {
		for j := range c {
			a, b := row+c+j, row+2*c+j
			data[a], data[b] = data[b], data[a]
		}
	}
	return data
}

// freshHead makes the weights of a new classifier on a pre-trained encoder as
// small as the official fine-tuning does.
func freshHead(store *layers.Store, initStd float64) {
	const std = 2e-5
	if e, ok := store.Lookup("head.weight"); ok && e.Param != nil && initStd > 0 {
		kernels.Scale(e.Param.Data(), float32(std/initStd))
		e.Param.Changed()
	}
}
