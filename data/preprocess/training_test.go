package preprocess_test

import (
	"testing"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/augment"
	"fasternet/data/preprocess"
)

// The augmentation of a configuration arrives in the transform.
func TestTransformOfConfig(t *testing.T) {
	c, err := configs.Load(
		"vit_base", "augment.erasing.count=3", "augment.mixup_mode=pair",
		"augment.mixup_off_epoch=90", "augment.cutmix_minmax=[0.2, 0.8]",
	)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := preprocess.Training(c, 192)
	if err != nil {
		t.Fatal(err)
	}
	if p := tr.RandAugment; p == nil || p.String() != "rand-m9-n2-mstd0.5-inc1" {
		t.Errorf("policy %v", p)
	}
	want := augment.Erasing{Prob: 0.25, Mode: augment.ErasePixel, Count: 3, Area: [2]float64{0.02, 1.0 / 3}}
	if tr.Erasing != want || tr.Size != 192 {
		t.Errorf("%+v", tr)
	}
	m := preprocess.Mixing(c.Augment, 10)
	if m.Mode != data.MixPair || m.OffEpoch != 90 || m.CutmixMinMax == nil || m.Validate() != nil {
		t.Errorf("%+v", m)
	}
	if c, err = configs.Load("fasternet_t0", "augment.color_jitter=0.4"); err != nil {
		t.Fatal(err)
	}
	if tr, err = preprocess.Training(c, 192); err != nil || tr.ColorJitter != 0.4 || tr.RandAugment != nil {
		t.Errorf("%+v", tr)
	}
}
