package configs_test

import (
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/data/policy"
)

// The RandAugment and the erasing of the published recipes.
func TestAugmentOfPresets(t *testing.T) {
	for _, name := range configs.Presets() {
		c, err := configs.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		want, erasing := map[string]string{
			"fasternet_t1": "rand-m3-mstd0.5-inc1",
			"fasternet_t2": "rand-m5-mstd0.5-inc1",
			"fasternet_s":  "rand-m7-mstd0.5-inc1",
			"fasternet_m":  "rand-m7-mstd0.5-inc1",
			"fasternet_l":  "rand-m7-mstd0.5-inc1",
		}[name], configs.DefaultErasing()
		if strings.HasPrefix(name, "vit_") || strings.HasPrefix(name, "swin_") {
			want = "rand-m9-mstd0.5-inc1"
			erasing.Prob, erasing.Mode = 0.25, "pixel"
		}
		a := c.Augment
		if a.RandAugment != want ||
			a.Erasing.Prob != erasing.Prob ||
			a.Erasing.Count != 1 ||
			erasing.Prob > 0 && a.Erasing.Mode != erasing.Mode ||
			a.ColorJitter != 0 || a.Repeats != 1 || a.MixupMode != "batch" || a.MixupOffEpoch != 0 {
			t.Errorf("%s: %+v", name, a)
		}
		if p, err := policy.Parse(a.RandAugment); want != "" &&
			(err != nil || !p.Increasing || p.Std != 0.5 || p.Ops != 2) {
			t.Errorf("%s: policy %+v, %v", name, p, err)
		}
	}
}

func TestAugmentErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"rand_augment: rand-m9-x1", "x.yaml:2: augment.rand_augment: policy \"rand-m9-x1\": section \"x1\": unknown"},
		{"rand_augment: v0", "x.yaml:2: augment.rand_augment: policy \"v0\": v0 is not a RandAugment policy"},
		{
			"rand_augment: rand-m9-p2",
			"augment.rand_augment: policy \"rand-m9-p2\": section \"p2\": want a probability from 0 to 1",
		},
		{"rand_augment: [1]", "augment.rand_augment: want text, got a list of 1"},
		{
			"rand_augment: rand\n  color_jitter: 0.4",
			"x.yaml:3: augment.color_jitter: want 0 with rand_augment (rand)",
		},
		{"color_jitter: -0.1", "augment.color_jitter: want a number from 0 to 100, got -0.1"},
		{"erasing: 0.25", "x.yaml:2: augment.erasing: want keys and values, got \"0.25\""},
		{"erasing: {prob: 1.5}", "x.yaml:2: augment.erasing.prob: want a number from 0 to 1, got 1.5"},
		{"erasing:\n    mode: noise", "x.yaml:3: augment.erasing.mode: want const or rand or pixel, got \"noise\""},
		{"erasing: {count: 0}", "augment.erasing.count: want 1 or more, got 0"},
		{"erasing: {count: 1.5}", "augment.erasing.count: want an integer, got \"1.5\""},
		{"erasing: {area: [0.5, 0.1]}", "augment.erasing.area: want two numbers above 0, the smaller first"},
		{"erasing: {area: [0.5, 2]}", "augment.erasing.area: want shares of the image's area"},
		{"erasing: {probability: 1}", "augment.erasing.probability: unknown key"},
		{"repeats: 0", "augment.repeats: want 1 or more, got 0"},
		{"mixup_mode: half", "augment.mixup_mode: want batch or pair or elem, got \"half\""},
		{"mixup_off_epoch: -1", "augment.mixup_off_epoch: want 0 or more"},
		{"mixup_prob: 1.01", "augment.mixup_prob: want a number from 0 to 1, got 1.01"},
		{"mixup: .nan", "augment.mixup: want a finite number"},
		{
			"cutmix_minmax: [0.2, 0.8]\ntrain: {batch_size: 3}",
			"x.yaml:3: train.batch_size: want an even number with mixup or cutmix, got 3",
		},
	} {
		t.Run(c.text, func(t *testing.T) {
			_, err := configs.Parse("x.yaml", "augment:\n  "+c.text+"\n")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %q", c.text, err, c.want)
			}
		})
	}
	for _, test := range []struct{ text, want string }{
		{"augment.erasing.prob=0.25", "augment.erasing.prob: pre-training would predict erased pixels"},
		{"augment.repeats=3", "augment.repeats: each image has one mask"},
		{"augment.cutmix_minmax=[0.2, 0.8]", "augment.cutmix_minmax: pre-training has no labels"},
		{"augment.rand_augment=rand-m9.5", "--set augment.rand_augment=rand-m9.5: augment.rand_augment: policy"},
		{"augment.erasing={prob: 2, count: 1}", "augment.erasing.prob: want a number from 0 to 1"},
	} {
		t.Run(test.text, func(t *testing.T) {
			if _, err := configs.Load("mim_quickstart", test.text); err == nil ||
				!strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v, want %q", test.text, err, test.want)
			}
		})
	}
}
