//go:build unix

package recipe

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/internal/ramdisk"
)

// A trained model is evaluated on data sets with other classes, and other runs start from it.
func TestAfterwards(t *testing.T) {
	dir := ramdisk.Dir(t)
	random := rand.New(rand.NewPCG(11, 12))
	pngs := func(name string, classes ...string) string {
		at := filepath.Join(dir, name)
		tree(t, at, classes, 4, 2, ".png", func(class, _ int) []byte {
			return pngOf(t, picture(class, 48, 48, random))
		})
		return at
	}
	all := pngs("all", "ant", "bee", "wasp")
	config, run := filepath.Join(dir, "small.yaml"), filepath.Join(dir, "run")
	write(t, config, []byte(small))
	train := func(name string, more ...string) []string {
		return slices.Concat([]string{"train", config, "--data", all, "--run", filepath.Join(dir, name)},
			set("train.batch_size=4"), more)
	}
	succeed(t, train("run", set("ema.decay=0.9")...)...)

	if got, said := succeed(t, "eval", "--model", run, "--data", pngs("first", "ant", "bee")); got["count"] != 4.0 ||
		!strings.Contains(said, `2 of the 3 classes of the model, without "wasp"`) {
		t.Errorf("%v\n%s", got, said)
	}
	refused := func(want string, args ...string) {
		t.Helper()
		code, _, said := invoke(t, args...)
		lines := strings.Split(strings.TrimSpace(said), "\n")
		last := lines[len(lines)-1]
		if code != 1 || !strings.HasPrefix(last, "fasternet-train: ") || !strings.Contains(last, want) {
			t.Errorf("%v: exit code %d, want 1 and %q\n%s", args, code, want, said)
		}
	}
	refused(`the data set has different classes from the model: `+
		`class 0 is "ant" in the model and "cat" in the data set (2 of 2 differ)`,
		"eval", "--model", run, "--data", pngs("others", "cat", "dog"))

	best := filepath.Join(run, "checkpoints", "best.safetensors")
	for _, test := range []struct {
		name string
		more []string
		want string
	}{
		{"averaged", nil, "starting from the averaged weights (EMA) of " + best},
		{"last", []string{"--from-ema=false"}, "starting from the weights of " + best},
		{"set", set("from_ema=false"), "starting from the weights of " + best},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, said := succeed(t, train(test.name, append(test.more, "--from", run)...)...)
			if !strings.Contains(said, test.want) {
				t.Errorf("%s: nobody said %q:\n%s", test.name, test.want, said)
			}
		})
	}
	refused(best+" belongs to another model: model.act_layer is gelu in the checkpoint and relu in the configuration",
		train("refused", append(set("model.act_layer=relu"), "--from", run)...)...)
	if _, err := os.Stat(filepath.Join(dir, "refused")); err == nil {
		t.Error("a folder was made")
	}
}
