package train

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/sets"
	"fasternet/kernels"
	"fasternet/model"
)

// withBF16 returns kernels that have bf16 on every processor, emulated if necessary.
func withBF16(t *testing.T) *kernels.Set {
	t.Helper()
	if k := kernels.Default(); k.BF16() != "" {
		return k
	}
	k, err := kernels.New(kernels.Default().Variant(), kernels.BF16Go)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// firstLosses returns the losses of two steps on the first batch of a configuration.
func firstLosses(t *testing.T, model, dir string, settings ...string) [2]float32 {
	t.Helper()
	c := smallConfig(t, model, dir, settings...)
	ds, err := sets.Open(t.Context(), c.Data, true)
	if err != nil {
		t.Fatal(err)
	}
	pool := withBF16(t).NewPool(2)
	defer pool.Close()
	s, err := NewSteps(c, ds, pool)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Precision().String(); got != c.Precision {
		t.Errorf("the steps run in %s, want %s", got, c.Precision)
	}
	o, err := loaderOptions(c, c.Data.Scale(0))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.task.fill(&o); err != nil {
		t.Fatal(err)
	}
	loader, err := data.NewLoader(ds, o)
	if err != nil {
		t.Fatal(err)
	}
	it := loader.Epoch(context.Background(), 0, 0)
	defer it.Close()
	b, err := it.Next()
	if err != nil {
		t.Fatal(err)
	}
	var losses [2]float32
	for i := range losses {
		if losses[i], err = s.Step(b, 1e-2); err != nil {
			t.Fatal(err)
		}
	}
	return losses
}

// Each setting of a step changes its loss, and settings that change no bit of a run change none here.
func TestStepsFollowTheConfiguration(t *testing.T) {
	dir := noise(t)
	teacher := filepath.Join(t.TempDir(), "teacher")
	c := smallConfig(t, small["fasternet"], dir, "train.epochs=1", "seed=9")
	if _, err := Run(context.Background(), c, Options{Dir: teacher}); err != nil {
		t.Fatal(err)
	}
	for _, m := range []string{"fasternet", "vit", "localmim of a vit"} {
		want := firstLosses(t, small[m], dir)
		if got := firstLosses(t, small[m], dir, "train.grad_checkpointing=true"); got != want {
			t.Errorf("%s: checkpointing of gradients: losses %v, want %v", m, got, want)
		}
		if got := firstLosses(t, small[m], dir, "precision=bf16"); got[1] == want[1] {
			t.Errorf("%s: in bf16 the losses are %v, in fp32 %v", m, got, want)
		}
		if m == "localmim of a vit" {
			continue
		}
		for _, settings := range [][]string{
			{"loss.name=bce"}, {"distill.type=soft", "distill.teacher=" + teacher},
		} {
			if got := firstLosses(t, small[m], dir, settings...); got[0] == want[0] {
				t.Errorf("%s: %v: losses %v, as without", m, settings, got)
			}
		}
		for _, settings := range [][]string{
			{"train.frozen_stages=1"},
			{"optim.layer_decay=0.5"},
			{"train.frozen=[head.*]"},
		} {
			if got := firstLosses(t, small[m], dir, settings...); got[1] == want[1] {
				t.Errorf("%s: %v: losses %v, as without", m, settings, got)
			}
		}
	}
}

// A configuration that was changed to an unknown value is an error wherever training starts, never another
// loss, measure or task.
func TestUnknownKindsAreErrors(t *testing.T) {
	pool := kernels.NewPool(1)
	defer pool.Close()
	dir := noise(t)
	for _, c := range []struct {
		key   string
		spoil func(c *configs.Config)
	}{
		{"task", func(c *configs.Config) { c.Task = "detect" }},
		{"precision", func(c *configs.Config) { c.Precision = "fp8" }},
		{"loss.name", func(c *configs.Config) { c.Loss.Name = "mse" }},
		{"distill.type", func(c *configs.Config) { c.Distill.Type = "feature" }},
		{"checkpoint.monitor", func(c *configs.Config) { c.Checkpoint.Monitor = "f1" }},
		{"train.dist_bn", func(c *configs.Config) { c.Train.DistBN = "gather" }},
		{"optim.opt", func(c *configs.Config) { c.Optim.Opt = "adamax" }},
		{"optim.clip_mode", func(c *configs.Config) { c.Optim.ClipMode = "median" }},
		{"sched.form", func(c *configs.Config) { c.Sched.Form = "exponential" }},
		{"data.on_bad_image", func(c *configs.Config) { c.Data.OnBadImage = "ignore" }},
		{"model.name", func(c *configs.Config) { c.Model.Name = "resnet" }},
	} {
		t.Run(c.key, func(t *testing.T) {
			config := smallConfig(t, small["vit"], dir)
			c.spoil(config)
			ds, err := sets.Open(t.Context(), smallConfig(t, small["vit"], dir).Data, true)
			if err != nil {
				t.Fatal(err)
			}
			_, run := Run(context.Background(), config, Options{Dir: filepath.Join(t.TempDir(), "run")})
			_, find := FindLR(context.Background(), config, DefaultFind())
			_, steps := NewSteps(config, ds, pool)
			for _, err := range []error{run, find, steps} {
				if err == nil || !strings.Contains(err.Error(), c.key) {
					t.Errorf("%v, want an error with %s", err, c.key)
				}
			}
		})
	}
	net, err := model.New(smallConfig(t, small["vit"], dir), 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, spoil := range []func(c *configs.Config){
		func(c *configs.Config) { c.Loss.Name = "mse" }, func(c *configs.Config) { c.Distill.Type = "feature" },
		func(c *configs.Config) { c.Precision = "fp8" },
	} {
		config := smallConfig(t, small["vit"], dir)
		spoil(config)
		if _, _, err := NewRunner(config, net, pool); err == nil {
			t.Errorf("a runner for loss %s, distillation %s, precision %s",
				config.Loss.Name, config.Distill.Type, config.Precision)
		}
	}
}
