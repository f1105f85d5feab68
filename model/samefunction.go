package model

import (
	"fmt"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/formats/torch"
)

// Keys of a model that do not change what trained weights compute: initial values, and what only training does.
var anyValue = []string{"model.num_classes", "model.drop_path_rate", "model.init_std", "model.pos_embed"}

// Keys of what comes after the encoder, where fine-tuning starts fresh, and of norms that have other
// constants in the published fine-tuning.
var afterEncoderKeys = []string{"model.global_pool", "model.norm_before_pool", "model.norm_eps", "model.norm2_eps"}

// sameFunction returns an error if the weights belong to a model that computes something else than the
// model of a configuration, even if the shapes are equal: another activation, number of heads or
// constant of the norms. It accepts what the user has set, and weights without a configuration.
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
		case s.ofPretraining() && c.Task != "localmim" && slices.Contains(afterEncoderKeys, d.Key):
		case c.Task != "localmim" && s.alike(d.Key, c.Model):
		default:
			have, want := d.Values[0], d.Values[1]
			wrong = append(wrong, fmt.Sprintf("%s is %s in %s and %s in the configuration",
				d.Key, valueOr(have), where, valueOr(want)))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	if len(wrong) > 3 {
		wrong = append(wrong[:3], "…")
	}
	return fmt.Errorf("%s belongs to another model: %s", s.path, strings.Join(wrong, ", "))
}

// valueOr returns a value, or says that there is none.
func valueOr(v string) string {
	if v == "" {
		return "missing"
	}
	return v
}

// alike reports whether a difference in a key does not change what is computed.
func (s *source) alike(key string, m configs.Model) bool {
	f := weightsOf(torch.Family(m.Name)).Alike
	return f != nil && f(key, s.config.Model, m)
}

// noteFunction warns if weights without a configuration may compute something else than the user's
// configuration.
func (s *source) noteFunction(c *configs.Config) {
	if s.config != nil || s.pretrained() {
		return
	}
	if f := weightsOf(s.state.Family).Doubts; f != nil {
		f(s.weights(nil), c.Model)
	}
	s.notePadding(c)
}

// noteImages warns if the configuration normalises images in a different way than the weights were trained with.
func (s *source) noteImages(c *configs.Config) {
	if s.config == nil {
		return
	}
	have, want := s.config.Data, c.Data
	if !slices.Equal(have.Mean, want.Mean) || !slices.Equal(have.Std, want.Std) {
		s.note("the weights were trained on images with mean %v and deviation %v, the configuration has %v and %v "+
			"(data.mean, data.std)",
			have.Mean, have.Std, want.Mean, want.Std)
	}
}

// notePadding warns if foreign code pads the maps of a Swin where ours has smaller windows.
func (s *source) notePadding(c *configs.Config) {
	if s.own != nil {
		return
	}
	if note := padding(c.Model, c.Data.ImageSize, c.Data.ImageSize, s.state.Naming); note != "" {
		s.note("%s", note)
	}
}

// Padding warns if the program that wrote the weights computes something else for images of a size in
// pixels, which may differ from the configuration's: it may pad the maps of a Swin. It returns "" if not.
func (l *Loaded) Padding(height, width int) string {
	return padding(l.Config.Model, height, width, l.naming)
}

func padding(m configs.Model, height, width int, n torch.Naming) string {
	if f := weightsOf(torch.Family(m.Name)).Padding; f != nil {
		return f(m, height, width, n)
	}
	return ""
}
