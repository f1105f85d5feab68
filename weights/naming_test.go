package weights_test

import (
	"slices"
	"testing"

	"fasternet/internal/golden"
	"fasternet/weights"
)

func TestNaming(t *testing.T) {
	for _, c := range []struct {
		family          weights.Family
		naming          weights.Naming
		official, other string
	}{
		{weights.FasterNet, weights.Timm, "patch_embed.proj.weight", "patch_embed.proj.weight"},
		{weights.FasterNet, weights.Timm, "stages.0.blocks.0.mlp.0.weight", "stages.0.blocks.0.mlp.0.weight"},
		{weights.FasterNet, weights.Timm, "stages.1.reduction.weight", "stages.1.downsample.reduction.weight"},
		{weights.FasterNet, weights.Timm, "stages.2.blocks.1.spatial_mixing.partial_conv3.weight", "stages.1.blocks.1.spatial_mixing.partial_conv3.weight"},
		{weights.FasterNet, weights.Timm, "stages.5.norm.num_batches_tracked", "stages.3.downsample.norm.num_batches_tracked"},
		{weights.FasterNet, weights.Timm, "avgpool_pre_head.1.weight", "conv_head.weight"},
		{weights.FasterNet, weights.Timm, "head.bias", "classifier.bias"},
		{weights.ViT, weights.Timm, "head.weight", "head.weight"},
		{weights.ViT, weights.Torchvision, "cls_token", "class_token"},
		{weights.ViT, weights.Torchvision, "pos_embed", "encoder.pos_embedding"},
		{weights.ViT, weights.Torchvision, "patch_embed.proj.bias", "conv_proj.bias"},
		{weights.ViT, weights.Torchvision, "blocks.11.attn.qkv.bias", "encoder.layers.encoder_layer_11.self_attention.in_proj_bias"},
		{weights.ViT, weights.Torchvision, "blocks.0.attn.proj.weight", "encoder.layers.encoder_layer_0.self_attention.out_proj.weight"},
		{weights.ViT, weights.Torchvision, "blocks.3.norm2.weight", "encoder.layers.encoder_layer_3.ln_2.weight"},
		{weights.ViT, weights.Torchvision, "blocks.3.mlp.fc2.bias", "encoder.layers.encoder_layer_3.mlp.3.bias"},
		{weights.ViT, weights.Torchvision, "norm.weight", "encoder.ln.weight"},
		{weights.ViT, weights.Torchvision, "head.weight", "heads.head.weight"},
		{weights.Swin, weights.Timm, "layers.0.downsample.reduction.weight", "layers.1.downsample.reduction.weight"},
		{weights.Swin, weights.Timm, "layers.2.blocks.5.attn.qkv.bias", "layers.2.blocks.5.attn.qkv.bias"},
		{weights.Swin, weights.Timm, "head.weight", "head.fc.weight"},
		{weights.Swin, weights.Torchvision, "patch_embed.norm.bias", "features.0.2.bias"},
		{weights.Swin, weights.Torchvision, "layers.0.blocks.1.attn.relative_position_bias_table", "features.1.1.attn.relative_position_bias_table"},
		{weights.Swin, weights.Torchvision, "layers.2.blocks.17.mlp.fc1.weight", "features.5.17.mlp.0.weight"},
		{weights.Swin, weights.Torchvision, "layers.1.downsample.norm.weight", "features.4.norm.weight"},
		{weights.Swin, weights.Microsoft, "layers.1.downsample.norm.weight", "layers.1.downsample.norm.weight"},
	} {
		if got := weights.NameOf(c.family, c.naming, c.official); got != c.other {
			t.Errorf("the %s name of %s is %s, want %s", c.naming, c.official, got, c.other)
		}
		if got := weights.OfficialName(c.family, c.naming, c.other); got != c.official {
			t.Errorf("the official name of %s is %s, want %s", c.other, got, c.official)
		}
	}
	if got := weights.OfficialName(weights.ViT, weights.Torchvision, "encoder.layers.encoder_layer_3.mlp.linear_2.bias"); got != "blocks.3.mlp.fc2.bias" {
		t.Errorf("the old name is taken for %s", got)
	}
}

// All key lists go there and back in every naming of their family, no two names become
// one, and the naming is recognised.
func TestNamingsOfKeyLists(t *testing.T) {
	for file, family := range map[string]weights.Family{
		"fasternet_t0": weights.FasterNet, "fasternet_l": weights.FasterNet, "vit_base_patch16_224": weights.ViT, "vit_base_patch16_224_cls": weights.ViT,
		"swin_base_patch4_win7_224": weights.Swin, "swin_small_w4": weights.Swin,
	} {
		var r struct {
			StateDict [][2]any `json:"state_dict"`
		}
		golden.JSON(t, file+".json", &r)
		for _, n := range weights.Namings(family) {
			var names []string
			for _, e := range r.StateDict {
				name := e[0].(string)
				other := weights.NameOf(family, n, name)
				if back := weights.OfficialName(family, n, other); back != name || slices.Contains(names, other) {
					t.Errorf("%s, %s: %s → %s → %s", file, n, name, other, back)
				}
				names = append(names, other)
			}
			want := n
			if n == weights.Microsoft || n == weights.LocalMIM || family == weights.ViT && n == weights.Timm {
				want = weights.Official // the same names
			}
			if f, got, ok := weights.Recognise(names); !ok || f != family || got != want {
				t.Errorf("%s: %s names of a %s are taken for %s of a %s", file, n, family, got, f)
			}
		}
	}
	for _, names := range [][]string{
		{"conv1.weight", "layer1.0.conv1.weight", "fc.weight"},
		{"features.0.0.weight", "features.1.0.block.0.weight"},
		{"encoder.layers.encoder_layer_0.ln_1.weight"},
		nil,
	} {
		if f, _, ok := weights.Recognise(names); ok {
			t.Errorf("%v are taken for a %s", names, f)
		}
	}
}
