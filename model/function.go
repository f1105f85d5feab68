package model

import (
	"fmt"
	"slices"
	"strings"

	"fasternet/configs"
)

// Keys of a model that weights do not depend on: what they begin with, and what
// happens in training only.
var anyValue = []string{"model.num_classes", "model.drop_path_rate", "model.init_std", "model.pos_embed"}

// Keys of what lies behind the encoder, which a fine-tuning begins anew, and of norms
// that the published fine-tuning has other constants for.
var behindEncoder = []string{"model.global_pool", "model.norm_before_pool", "model.norm_eps", "model.norm2_eps"}

// sameFunction returns an error if the weights are those of a model that computes
// something else than that of a configuration, whatever shapes say: another
// activation, number of heads or constant of the norms. Weights without a
// configuration cannot be asked.
func (s *source) sameFunction(c *configs.Config) error {
	if s.config == nil {
		return nil
	}
	differences, err := configs.Differences(s.config, c)
	if err != nil {
		return err
	}
	var wrong []string
	for _, d := range differences {
		switch {
		case !strings.HasPrefix(d.Key, "model.") || slices.Contains(anyValue, d.Key):
		case s.pretrained() && c.Task != "localmim" && slices.Contains(behindEncoder, d.Key):
		case d.Key == "model.layer_scale_init_value" && s.config.Model.LayerScaleInitValue != 0 && c.Model.LayerScaleInitValue != 0: // it has been learned
		default:
			have, want := d.Values[0], d.Values[1]
			wrong = append(wrong, fmt.Sprintf("%s is %s in the checkpoint and %s in the configuration", d.Key, valueOr(have), valueOr(want)))
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
