package foreign

import (
	"fmt"
	"strings"
)

// parts lists parts of transformers that this project does not have, by a part of the names of
// their tensors.
var parts = []struct{ part, what string }{
	{".ls1.", "layer scale"},
	{".gamma_1", "layer scale"},
	{"norm_pre.", "a norm before the blocks"},
	{"reg_token", "register tokens"},
	{".q_norm.", "norms of queries and keys"},
	{"dist_token", "a distillation token"},
	{"attn_pool.", "attention pooling"},
	{".mlp.norm.", "a norm within the MLPs"},
	{".mlp.w12.", "gated MLPs"},
	{"patch_embed.backbone.", "a convolutional network for the patches"},
	{"absolute_pos_embed", "absolute position embeddings"},
	{"rope.", "rotary position embeddings"},
	{".attns.", "parallel blocks"},
	{"pre_logits.", "a layer before the classifier (representation_size)"},
}

// UnsupportedTransformer names a part of a transformer that this project does not have. Its tensors
// would be unexpected in any case, but the name of the part says more.
func UnsupportedTransformer(s Shapes) error {
	for _, name := range s.names {
		for _, u := range parts {
			if strings.Contains("."+name, u.part) || strings.HasPrefix(name, u.part) {
				return fmt.Errorf("a %s with %s (%s): such a model cannot be computed", s.title, u.what, Clip(name))
			}
		}
	}
	return nil
}
