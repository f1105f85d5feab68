package torch_test

import (
	"slices"
	"testing"

	"fasternet/formats/torch"
	_ "fasternet/graph/families"
	"fasternet/internal/golden"
)

func TestNaming(t *testing.T) {
	for _, c := range []struct {
		family          torch.Family
		naming          torch.Naming
		official, other string
	}{
		{"fasternet", torch.Timm, "patch_embed.proj.weight", "patch_embed.proj.weight"},
		{"fasternet", torch.Timm, "stages.0.blocks.0.mlp.0.weight", "stages.0.blocks.0.mlp.0.weight"},
		{"fasternet", torch.Timm, "stages.1.reduction.weight", "stages.1.downsample.reduction.weight"},
		{
			"fasternet", torch.Timm, "stages.2.blocks.1.spatial_mixing.partial_conv3.weight",
			"stages.1.blocks.1.spatial_mixing.partial_conv3.weight",
		},
		{"fasternet", torch.Timm, "stages.5.norm.num_batches_tracked", "stages.3.downsample.norm.num_batches_tracked"},
		{"fasternet", torch.Timm, "avgpool_pre_head.1.weight", "conv_head.weight"},
		{"fasternet", torch.Timm, "head.bias", "classifier.bias"},
		{"vit", torch.Timm, "head.weight", "head.weight"},
		{"vit", torch.Torchvision, "cls_token", "class_token"},
		{"vit", torch.Torchvision, "pos_embed", "encoder.pos_embedding"},
		{"vit", torch.Torchvision, "patch_embed.proj.bias", "conv_proj.bias"},
		{
			"vit", torch.Torchvision, "blocks.11.attn.qkv.bias",
			"encoder.layers.encoder_layer_11.self_attention.in_proj_bias",
		},
		{
			"vit", torch.Torchvision, "blocks.0.attn.proj.weight",
			"encoder.layers.encoder_layer_0.self_attention.out_proj.weight",
		},
		{"vit", torch.Torchvision, "blocks.3.norm2.weight", "encoder.layers.encoder_layer_3.ln_2.weight"},
		{"vit", torch.Torchvision, "blocks.3.mlp.fc2.bias", "encoder.layers.encoder_layer_3.mlp.3.bias"},
		{"vit", torch.Torchvision, "norm.weight", "encoder.ln.weight"},
		{"vit", torch.Torchvision, "head.weight", "heads.head.weight"},
		{"swin", torch.Timm, "layers.0.downsample.reduction.weight", "layers.1.downsample.reduction.weight"},
		{"swin", torch.Timm, "layers.2.blocks.5.attn.qkv.bias", "layers.2.blocks.5.attn.qkv.bias"},
		{"swin", torch.Timm, "head.weight", "head.fc.weight"},
		{"swin", torch.Torchvision, "patch_embed.norm.bias", "features.0.2.bias"},
		{
			"swin", torch.Torchvision, "layers.0.blocks.1.attn.relative_position_bias_table",
			"features.1.1.attn.relative_position_bias_table",
		},
		{"swin", torch.Torchvision, "layers.2.blocks.17.mlp.fc1.weight", "features.5.17.mlp.0.weight"},
		{"swin", torch.Torchvision, "layers.1.downsample.norm.weight", "features.4.norm.weight"},
		{"swin", torch.Microsoft, "layers.1.downsample.norm.weight", "layers.1.downsample.norm.weight"},
	} {
		if got := torch.NameOf(c.family, c.naming, c.official); got != c.other {
			t.Errorf("the %s name of %s is %s, want %s", c.naming, c.official, got, c.other)
		}
		if got := torch.OfficialName(c.family, c.naming, c.other); got != c.official {
			t.Errorf("the official name of %s is %s, want %s", c.other, got, c.official)
		}
	}
	const old = "encoder.layers.encoder_layer_3.mlp.linear_2.bias"
	if got := torch.OfficialName("vit", torch.Torchvision, old); got != "blocks.3.mlp.fc2.bias" {
		t.Errorf("the old name is taken for %s", got)
	}
}

// In every naming of every family, all keys can be renamed and renamed back, no two names become
// one, and the naming is recognised.
func TestNamingsOfKeyLists(t *testing.T) {
	for _, c := range []struct {
		file   string
		family torch.Family
	}{
		{"fasternet_t0", "fasternet"},
		{"fasternet_l", "fasternet"},
		{"vit_base_patch16_224", "vit"},
		{"vit_base_patch16_224_cls", "vit"},
		{"swin_base_patch4_win7_224", "swin"}, {"swin_small_w4", "swin"},
	} {
		t.Run(c.file, func(t *testing.T) {
			var r struct {
				StateDict [][2]any `json:"state_dict"`
			}
			golden.JSON(t, c.file+".json", &r)
			for _, n := range torch.Namings(c.family) {
				var names []string
				for _, e := range r.StateDict {
					name := e[0].(string)
					other := torch.NameOf(c.family, n, name)
					if back := torch.OfficialName(c.family, n, other); back != name || slices.Contains(names, other) {
						t.Errorf("%s, %s: %s → %s → %s", c.file, n, name, other, back)
					}
					names = append(names, other)
				}
				want := n
				if n == torch.Microsoft || n == torch.LocalMIM || c.family == "vit" && n == torch.Timm {
					want = torch.Official // the same names
				}
				if f, got, ok := torch.Recognise(names); !ok || f != c.family || got != want {
					t.Errorf("%s: %s names of a %s are taken for %s of a %s", c.file, n, c.family, got, f)
				}
			}
		})
	}
	for _, names := range [][]string{
		{"conv1.weight", "layer1.0.conv1.weight", "fc.weight"},
		{"features.0.0.weight", "features.1.0.block.0.weight"},
		{"encoder.layers.encoder_layer_0.ln_1.weight"},
		nil,
	} {
		if f, _, ok := torch.Recognise(names); ok {
			t.Errorf("%v are taken for a %s", names, f)
		}
	}
}
