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

// Keys of what follows the encoder, which a fine-tuning begins again, and of norms
// that the published fine-tuning has other constants for.
var behindEncoder = []string{"model.global_pool", "model.norm_before_pool", "model.norm_eps", "model.norm2_eps"}

// sameFunction returns an error if the weights belong to a model that computes
// something else than the model of a configuration, whatever shapes say: another
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
		case c.Task != "localmim" && s.alike(d.Key, c.Model):
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

// alike says whether a difference in a key does not change what is computed.
func (s *source) alike(key string, m configs.Model) bool {
	f := weightsOf(torch.Family(m.Name)).Alike
	return f != nil && f(key, s.config.Model, m)
}

// noteFunction says if weights without a configuration may be for another computation
// than the user's configuration.
func (s *source) noteFunction(c *configs.Config) {
	if s.config != nil || s.pretrained() {
		return
	}
	if f := weightsOf(s.state.Family).Doubts; f != nil {
		f(s.weights(nil), c.Model)
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
	if f := weightsOf(torch.Family(m.Name)).Padding; f != nil {
		return f(m, height, width, n)
	}
	return ""
}
