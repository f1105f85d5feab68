package configs_test

import (
	"reflect"
	"strings"
	"testing"

	"fasternet/configs"
)

func TestMIMPresets(t *testing.T) {
	for _, test := range []struct {
		name string
		want []configs.MIMScale
	}{
		{
			"mim_vit_base",
			[]configs.MIMScale{
				{2, 768, 14, 1, 4, 56, 4, 27, 256},
				{4, 768, 14, 1, 2, 28, 8, 27, 256},
				{10, 768, 14, 1, 1, 14, 16, 27, 256},
				{12, 768, 14, 1, 0.5, 7, 32, 27, 256},
			},
		},
		{
			"mim_swin_base",
			[]configs.MIMScale{
				{1, 256, 28, 4, 1, 28, 8, 54, 64},
				{2, 512, 14, 2, 1, 14, 16, 54, 128},
				{3, 1024, 7, 1, 1, 7, 32, 54, 128},
				{4, 1024, 7, 1, 1, 7, 32, 54, 128},
			},
		},
		{
			"mim_fasternet_t0",
			[]configs.MIMScale{
				{1, 80, 7, 4, 4, 28, 8, 54, 64},
				{2, 160, 7, 2, 2, 14, 16, 54, 64},
				{3, 320, 7, 1, 1, 7, 32, 54, 64},
				{4, 320, 7, 1, 1, 7, 32, 54, 64},
			},
		},
		{
			"mim_fasternet_quickstart",
			[]configs.MIMScale{
				{1, 48, 4, 2, 2, 8, 4, 9, 64},
				{2, 96, 4, 1, 1, 4, 8, 9, 64},
				{3, 96, 4, 1, 1, 4, 8, 9, 64},
			},
		},
		{
			"mim_quickstart",
			[]configs.MIMScale{
				{2, 96, 8, 1, 2, 16, 2, 9, 64},
				{4, 96, 8, 1, 1, 8, 4, 9, 64},
				{6, 96, 8, 1, 0.5, 4, 8, 9, 64},
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := configs.Load(test.name)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.MIMScales(); !reflect.DeepEqual(got, test.want) {
				t.Errorf("%s: scales %v, want %v", test.name, got, test.want)
			}
			text, err := c.YAML()
			if err != nil {
				t.Fatal(err)
			}
			again, err := configs.Parse("again", string(text))
			if err != nil || !reflect.DeepEqual(again.MIM, c.MIM) {
				t.Errorf("%s: after writing and reading %v, %+v, want %+v", test.name, err, again, c.MIM)
			}
		})
	}
	for _, tt := range []struct {
		name string
		want [2]int
	}{
		{"mim_vit_base", [2]int{14, 49}},
		{"mim_vit_large", [2]int{14, 49}},
		{"mim_swin_base", [2]int{7, 12}},
		{"mim_swin_large", [2]int{7, 12}},
		{"mim_quickstart", [2]int{8, 16}},
		{"mim_fasternet_t0", [2]int{7, 20}},
		{"mim_fasternet_l", [2]int{7, 20}},
		{"mim_fasternet_quickstart", [2]int{4, 7}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := configs.Load(tt.name)
			if err != nil {
				t.Fatal(err)
			}
			if side, visible := c.MIMUnits(); [2]int{side, visible} != tt.want {
				t.Errorf("%s: %d units along a side, %d visible, want %v", tt.name, side, visible, tt.want)
			}
			if c.Checkpoint.Monitor != "loss" {
				t.Errorf("%s: monitor %s", tt.name, c.Checkpoint.Monitor)
			}
		})
	}
}

// Sizes that do not fit are explained.
func TestMIMErrors(t *testing.T) {
	for _, c := range []struct{ preset, setting, want string }{
		{"mim_vit_base", "model.name=fasternet", "mim"},
		{"mim_vit_base", "mim.taps=[2, 4, 4, 12]", "in rising order"},
		{"mim_vit_base", "mim.taps=[2, 4, 8, 13]", "blocks from 1 to 12"},
		{"mim_vit_base", "mim.taps=[2, 4, 8, 10]", "the last of the 12 blocks must have a decoder"},
		{"mim_vit_base", "mim.taps=[6, 12]", "one number for each of the 2 taps"},
		{"mim_vit_base", "mim.scales=[8, 4, 2, 1]", "4, 2, 1 or 0.5"},
		{"mim_vit_base", "mim.decoder_dim=[256, 128]", "one for each of the 4 taps"},
		{"mim_vit_base", "mim.decoder_dim=100", "of mim.decoder_heads (8)"},
		{
			"mim_vit_base", "mim.mask_ratio=0.999",
			"0.999 of the 14×14 = 196 units (data.image_size 224 / mim.mask_unit 16) leaves none visible",
		},
		{"mim_vit_base", "mim.mask_ratio=0.001", ""},
		{"mim_vit_base", "mim.mask_ratio=1", "above 0 and below 1"},
		{"mim_vit_base", "mim.mask_unit=24", "a multiple of 16"},
		{"mim_vit_base", "mim.mask_unit=32", "masked by patches"},
		{"mim_vit_base", "mim.mask_per=batch", "per sample"},
		{"mim_swin_base", "mim.mask_unit=96", "96 does not divide data.image_size"},
		{
			"mim_vit_base", "data.image_size=240",
			"tap 12 has 15×15 tokens (240 pixels / 16): 0.5 times that is not a grid of whole cells",
		},
		{"mim_vit_base", "mim.target=hogg", "did you mean hog"},
		{"mim_vit_base", "mim.nbins=0", "1 or more"},
		{"mim_vit_base", "augment.mixup=0.8", "no labels to mix"},
		{"mim_vit_base", "data.multi_scale=192_10", "one image size"},
		{"mim_vit_base", "checkpoint.monitor=top1", "no accuracy"},
		{"mim_vit_base", "model.drop_path_rate=0.1", "without drop path"},
		{
			"mim_fasternet_t0", "mim.mask_unit=16",
			"want a multiple of 32, because a unit consists of whole pixels of the last stage (patch_size 4, " +
				"merged by patch_size2 2 before each of 3 stages) of 32 pixels; got 16",
		},
		{
			"mim_fasternet_t0", "data.image_size=240",
			"32 does not divide data.image_size 240: want data.image_size 224 or 256",
		},
		{"mim_fasternet_t0", "data.image_size=256", ""},
		{"mim_fasternet_t0", "mim.mask_unit=224", "masks none"},
		{
			"mim_fasternet_t0", "mim.scales=[0.5, 2, 1, 1]",
			"tap 1 has 7×7 units (224 pixels / 32): 0.5 times that is not a grid of whole cells",
		},
		{"mim_fasternet_t0", "mim.scales=[4, 4, 4, 4]", ""},
		{"mim_fasternet_t0", "mim.border=reflect", "want neighbours or zero"},
		{"mim_fasternet_t0", "mim.mask_block=2", ""},
		{
			"mim_fasternet_t0", "mim.mask_block=5",
			"no larger than the 20 visible or the 29 masked units; got 5, a block of 25 units",
		},
		{"mim_fasternet_t0", "mim.mask_block=0", "mim.mask_block"},
		{
			"mim_fasternet_t0", "model.patch_stride=2",
			"patches that do not overlap and leave nothing out: want 4, their size, got 2",
		},
		{"mim_fasternet_t0", "model.patch_stride2=1", "model.patch_stride2"},
		{"mim_fasternet_t0", "mim.taps=[1, 2, 3]", "the last of the 4 stages must have a decoder"},
		{"mim_fasternet_t0", "mim.mask_ratio=0.99", ""},
		{"mim_fasternet_t0", "model.drop_path_rate=0.1", "without drop path"},
		{"mim_swin_base", "mim.scales=[4, 2, 1, 1]", "scales by its stages"},
		{"mim_swin_base", "mim.taps=[1, 5]", "stages from 1 to 4"},
		{"mim_swin_base", "mim.mask_unit=16", "a multiple of 32"},
		{"mim_swin_base", "mim.mask_ratio=0.98", "leaves none visible"},
		{"mim_swin_base", "mim.coordinates=true", "spatial or official"},
		{"mim_swin_base", "mim.coordinates=official", ""},
		{"mim_swin_base", "mim.border=zero", "mim.border: a Swin has no convolution"},
		{"mim_vit_base", "mim.border=zero", "mim.border: a ViT has no convolution"},
		{"mim_vit_base", "mim.coordinates=official", "mim.coordinates: a ViT has one grid"},
		{"mim_vit_base", "mim.merge_order=official", "mim.merge_order: a ViT merges no patches"},
		{"mim_fasternet_t0", "mim.coordinates=official", "mim.coordinates: a FasterNet has no coordinates"},
		{
			"mim_fasternet_t0", "mim.merge_order=official",
			"mim.merge_order: a FasterNet merges patches with a convolution",
		},
		{"mim_fasternet_t0", "optim.layer_decay=0.8", "optim.layer_decay: pre-training uses one learning rate"},
	} {
		_, err := configs.Load(c.preset, c.setting)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s with %s: %v", c.preset, c.setting, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s with %s: error %v, want %q", c.preset, c.setting, err, c.want)
		}
	}
}

// A FasterNet has its own defaults for missing keys, and they fit its size.
func TestFasterNetMIMDefaults(t *testing.T) {
	for _, c := range []struct {
		name, model, mim string
		dim, heads, bins int
		ratio            float64
		scales           []float64
	}{
		{"T0", "embed_dim: 40", "", 64, 2, 18, 0.6, []float64{4, 2, 1, 1}},
		{"S", "embed_dim: 128", "", 128, 4, 18, 0.6, []float64{4, 2, 1, 1}},
		{"L", "embed_dim: 192", "", 256, 8, 18, 0.6, []float64{4, 2, 1, 1}},
		{"large units", "embed_dim: 40", "mask_unit: 56", 0, 0, 0, 0, nil},
		{
			"units of 112",
			"embed_dim: 40, patch_size: 7, patch_stride: 7",
			"mask_unit: 112, mask_ratio: 0.5, nbins: 9, decoder_dim: [32, 48]",
			0, 0, 0, 0, nil,
		},
		{
			"other numbers",
			"embed_dim: 40, patch_size: 7, patch_stride: 7",
			"mask_unit: 112, mask_ratio: 0.5, nbins: 9, decoder_dim: 96",
			96, 3, 9, 0.5, []float64{4, 4, 2, 2},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := configs.Parse("test",
				"task: localmim\nmodel: {name: fasternet, "+c.model+"}\nmim: {"+c.mim+"}\n")
			if c.scales == nil {
				if err == nil {
					t.Error("no error")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			m := got.MIM
			if m.DecoderDim[0] != c.dim ||
				m.DecoderHeads != c.heads ||
				m.NBins != c.bins ||
				m.MaskRatio != c.ratio ||
				!reflect.DeepEqual(m.Scales, c.scales) ||
				m.MaskPer != "sample" {
				t.Errorf("got %+v", m)
			}
		})
	}
	swin, err := configs.Parse("test",
		"task: localmim\nmodel: {name: swin, embed_dim: 32, num_heads: [1, 2, 4, 8], depths: [1, 1, 1, 1]}\n")
	if err != nil || swin.MIM.NBins != 9 || swin.MIM.MaskRatio != 0.75 {
		t.Errorf("a swin has %+v, %v", swin, err)
	}
}
