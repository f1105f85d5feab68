package configs_test

import (
	"strings"
	"testing"

	"fasternet/configs"
)

// Renamed keys keep their old meaning.
func TestOldKeys(t *testing.T) {
	for _, k := range []struct{ yaml, from, teacher string }{
		{"{}", "auto", "auto"},
		{"from_ema: true\ndistill: {ema: true}", "auto", "auto"},
		{"from_ema: false\ndistill: {ema: false}", "plain", "plain"},
		{"from_weights: ema\ndistill: {weights: plain}", "ema", "plain"},
	} {
		c, err := configs.Parse("test", k.yaml)
		if err != nil {
			t.Fatal(err)
		}
		if c.FromWeights != k.from || c.Distill.Weights != k.teacher {
			t.Errorf("%q: %s and %s, want %s and %s", k.yaml, c.FromWeights, c.Distill.Weights, k.from, k.teacher)
		}
	}
	if c, err := configs.Parse("test", "", "from_ema=false"); err != nil || c.FromWeights != "plain" {
		t.Errorf("as a setting: %v", err)
	}
	for _, test := range []struct{ yaml, want string }{
		{"from_ema: 3", "unknown key"},
		{"from_ema: true\nfrom_weights: plain", "from_weights: the key appears twice"},
		{"from_weights: both", "from_weights: want auto or plain or ema"},
		{"distill: {weights: avg}", "distill.weights: want auto or plain or ema"},
	} {
		t.Run(test.yaml, func(t *testing.T) {
			if _, err := configs.Parse("test", test.yaml); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q: %v, want %q", test.yaml, err, test.want)
			}
		})
	}
}
