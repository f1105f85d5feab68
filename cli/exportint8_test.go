package cli

import (
	"math"
	"strings"
	"testing"
)

// Options of --int8 that do not fit are named.
func TestInt8Flags(t *testing.T) {
	good := int8Flags{on: true, images: 256, method: "mse", maxLoss: 1}
	if err := good.check(func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(f *int8Flags)
		want   string
	}{
		{"without --int8", func(f *int8Flags) { f.on = false }, "goes with --int8"},
		{"no images", func(f *int8Flags) { f.images = 0 }, "--calibration-images: want 1 to 65536, got 0"},
		{
			"another method", func(f *int8Flags) { f.method = "kl" },
			`--calibration: want mse, percentile or minmax, got "kl"`,
		},
		{"a loss below 0", func(f *int8Flags) { f.maxLoss = -1 }, "--max-loss"},
		{"a loss of NaN", func(f *int8Flags) { f.maxLoss = math.NaN() }, "--max-loss"},
	} {
		f := good
		c.change(&f)
		err := f.check(func(name string) bool { return name == "report" })
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}
