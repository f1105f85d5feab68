package model

import (
	"fmt"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/formats/torch"
)

// Keys of a model that weights do not depend on: what they begin with, and what
// happens in training only.
var anyValue = []string{"model.num_classes", "model.drop_path_rate", "model.init_std", "model.pos_embed"}

// Keys of what lies behind the encoder, which a fine-tuning begins anew, and of norms
// that the published fine-tuning has other constants for.
var behindEncoder = []string{"model.global_pool", "model.norm_before_pool", "model.norm_eps", "model.norm2_eps"}

// sameFunction returns an error if the weights are those of a model that computes
// something else than that of a configuration, whatever shapes say: another
// activation, number of heads or constant of the norms. What the user has set
// is taken as it is. Weights without a configuration cannot be asked.
func (s *source) sameFunction(c *configs.Config, settings []string) error {
	if s.config == nil {
		return nil
	}
	differences, err := configs.Differences(s.config, c)
	if err != nil {
		return err
	}
	where := "the checkpoint"
	if s.own == nil {
		where = HubConfigFile
	}
	var wrong []string
	for _, d := range differences {
		switch {
		case !strings.HasPrefix(d.Key, "model.") || slices.Contains(anyValue, d.Key) || setsKey(settings, d.Key):
		case s.pretrained() && c.Task != "localmim" && slices.Contains(behindEncoder, d.Key):
		case d.Key == "model.window_size" && c.Task != "localmim": // the tables are resized
		case d.Key == "model.norm_before_pool" && c.Model.Name == "vit" && !c.Model.GlobalPool && !s.config.Model.GlobalPool: // one token is the same
		case d.Key == "model.layer_scale_init_value" && s.config.Model.LayerScaleInitValue != 0 && c.Model.LayerScaleInitValue != 0: // it has been learned
		default:
			have, want := d.Values[0], d.Values[1]
			wrong = append(wrong, fmt.Sprintf("%s is %s in %s and %s in the configuration", d.Key, valueOr(have), where, valueOr(want)))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	if len(wrong) > 3 {
		wrong = append(wrong[:3], "…")
	}
	return fmt.Errorf("%s is of another model: %s", s.path, strings.Join(wrong, ", "))
}

// valueOr is a value, or that there is none.
func valueOr(v string) string {
	if v == "" {
		return "not there"
	}
	return v
}

// swinCode is what a program computes of the tensors of a Swin.
type swinCode struct {
	normBeforePool bool
	eps, eps2      float64 // of all norms but norm2, and of norm2
}

// The Swin of Microsoft, timm and torchvision, and the Swin of LocalMIM's fine-tuning.
var (
	microsoft = swinCode{true, 1e-5, 1e-5}
	localMIM  = swinCode{false, 1e-6, 1e-5}
)

// vitEps is the eps of the norms of ViT in all programs whose names are known.
const vitEps = 1e-6

func (c swinCode) settings() []string {
	return []string{fmt.Sprintf("model.norm_before_pool=%v", c.normBeforePool), fmt.Sprintf("model.norm_eps=%g", c.eps), fmt.Sprintf("model.norm2_eps=%g", c.eps2)}
}

func (c swinCode) of(m configs.Model) bool { return len(c.differences(m)) == 0 }

// differences are the settings of the code that a model has not.
func (c swinCode) differences(m configs.Model) (out []string) {
	have := swinCode{m.NormBeforePool, m.NormEps, m.Norm2Eps}.settings()
	for i, s := range c.settings() {
		if s != have[i] {
			out = append(out, s)
		}
	}
	return out
}

// describeSwin is what a configuration computes, in settings.
func describeSwin(m configs.Model) string {
	return strings.Join(swinCode{m.NormBeforePool, m.NormEps, m.Norm2Eps}.settings(), ", ")
}

// swinCode is what the program computes that wrote foreign weights of a Swin; nil if
// several have such names.
func (s *source) swinCode() *swinCode {
	switch s.state.Naming {
	case torch.Timm, torch.Torchvision, torch.Microsoft:
		return &microsoft
	}
	// The training program of Microsoft keeps its configuration next to the weights.
	if slices.Contains(s.state.Ignored, "yacs.config.CfgNode") {
		return &microsoft
	}
	return nil
}

// noteFunction says if weights without a configuration may be for another computation
// than the user's configuration.
func (s *source) noteFunction(c *configs.Config) {
	if s.config != nil || s.pretrained() {
		return
	}
	m := c.Model
	switch s.state.Family {
	case torch.ViT:
		if m.NormEps != vitEps {
			s.note("a ViT with such names has norms with eps %g, and the configuration says %g (model.norm_eps)", vitEps, m.NormEps)
		}
	case torch.Swin:
		code := s.swinCode()
		switch {
		case code == nil:
			s.note("the names of the tensors do not tell Microsoft's Swin (%s) from LocalMIM's (%s): it is taken as the configuration says (%s)",
				strings.Join(microsoft.settings(), ", "), strings.Join(localMIM.settings(), ", "), describeSwin(m))
		case !code.of(m):
			s.note("warning: the Swin with such names computes something else (%s) than the configuration (%s); set these keys if the weights are of that program",
				strings.Join(code.settings(), ", "), describeSwin(m))
		}
	}
	s.notePadding(c)
}

// noteImages says if the images of a configuration are normalised in another way than
// those that the weights were trained on.
func (s *source) noteImages(c *configs.Config) {
	if s.config == nil {
		return
	}
	have, want := s.config.Data, c.Data
	if !slices.Equal(have.Mean, want.Mean) || !slices.Equal(have.Std, want.Std) {
		s.note("the weights were trained on images with mean %v and deviation %v, the configuration has %v and %v (data.mean, data.std)", have.Mean, have.Std, want.Mean, want.Std)
	}
}

// notePadding says if foreign code would pad the maps of a Swin where ours has smaller
// windows.
func (s *source) notePadding(c *configs.Config) {
	if s.own != nil {
		return
	}
	if note := padding(c.Model, c.Data.ImageSize, c.Data.ImageSize, s.state.Naming); note != "" {
		s.note("%s", note)
	}
}

// Padding says if the program that wrote the weights computes something else of images of
// a size in pixels, which need not be that of the configuration: of a Swin it may pad maps.
// It is "" if not.
func (l *Loaded) Padding(height, width int) string {
	return padding(l.Config.Model, height, width, l.naming)
}

func padding(m configs.Model, height, width int, n torch.Naming) string {
	if m.Name != "swin" || n != torch.Timm && n != torch.Torchvision {
		return ""
	}
	stage, size := paddedStage(m, height, n), fmt.Sprint(height)
	if height != width {
		size = fmt.Sprintf("%d×%d", height, width)
		if other := paddedStage(m, width, n); stage == 0 || other > 0 && other < stage {
			stage = other
		}
	}
	if stage == 0 {
		return ""
	}
	return fmt.Sprintf("warning: for images of %s pixels the maps of stage %d are no multiple of the windows: %s pads them with zeros, which count as tokens there, and ours are cut; the logits differ", size, stage, n)
}

// paddedStage is the first stage of a Swin, from 1, that other code pads for images of a
// size; 0 if there is none. Where a map is smaller than a window, timm has a smaller window,
// as ours, and torchvision pads.
func paddedStage(m configs.Model, size int, n torch.Naming) int {
	for i := range m.Depths {
		side := m.Side(size) >> i
		if side > m.WindowSize && side%m.WindowSize != 0 || side < m.WindowSize && n == torch.Torchvision {
			return i + 1
		}
	}
	return 0
}
