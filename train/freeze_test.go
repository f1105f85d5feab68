package train

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/model"
)

// Stages and patterns freeze the right parameters in every family.
func TestFreeze(t *testing.T) {
	for _, c := range []struct {
		preset, settings string
		want             string // some frozen and some trained parameters
	}{
		{"fasternet_t0", "train.frozen_stages=-1", "-patch_embed.proj.weight -head.bias"},
		{"fasternet_t0", "train.frozen_stages=0", "patch_embed.norm.bias -stages.0.blocks.0.mlp.0.weight"},
		{
			"fasternet_t0", "train.frozen_stages=2",
			"stages.2.blocks.1.mlp.1.weight stages.3.norm.weight -stages.4.blocks.0.mlp.0.weight -head.bias",
		},
		{"fasternet_t0", "train.frozen_stages=4", "stages.6.blocks.1.mlp.3.weight -avgpool_pre_head.1.weight"},
		{
			"fasternet_t0", `train.frozen=["head.*", "*.norm.bias"]`,
			"head.weight head.bias stages.1.norm.bias -stages.1.norm.weight",
		},
		{
			"vit_tiny", "train.frozen_stages=3",
			"cls_token pos_embed blocks.2.mlp.fc2.bias -blocks.3.norm1.weight -fc_norm.bias",
		},
		{
			"swin_tiny", "train.frozen_stages=1",
			"patch_embed.norm.weight layers.0.downsample.reduction.weight -layers.1.blocks.0.norm1.weight -norm.bias",
		},
	} {
		config, err := configs.Load(c.preset, c.settings, "model.embed_dim=24")
		if err != nil {
			t.Fatal(err)
		}
		m, err := model.New(config, 10)
		if err != nil {
			t.Fatal(err)
		}
		if err := freeze(config, m.Store().Params(), layersOf(t, config, m)); err != nil {
			t.Fatal(err)
		}
		for _, name := range strings.Fields(c.want) {
			name, free := strings.CutPrefix(name, "-")
			e, ok := m.Store().Lookup(name)
			if !ok || e.Param.Frozen == free {
				t.Errorf("%s, %s: %s: there is %v, frozen %v", c.preset, c.settings, name, ok, ok && e.Param.Frozen)
			}
		}
	}
	config := load(t, "none", `train.frozen=["body.*"]`)
	m, err := model.New(config, 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := freeze(config, m.Store().Params(), layersOf(t, config, m)); err == nil ||
		!strings.Contains(err.Error(), `"body.*"`) {
		t.Errorf("a pattern of nothing: %v", err)
	}
	config.Train.Frozen = []string{"*"}
	if err := freeze(config, m.Store().Params(), layersOf(t, config, m)); err == nil ||
		!strings.Contains(err.Error(), "no parameter is left") {
		t.Errorf("everything frozen: %v", err)
	}
}

func layersOf(t *testing.T, c *configs.Config, m graph.Model) *graph.Layers {
	t.Helper()
	l, err := graph.LayersOf(m, c.Data.ImageSize, c.Data.ImageSize)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Frozen parameters and statistics are unchanged after a run.
func TestFrozenRun(t *testing.T) {
	dir := stripes(t, 40, 10)
	run := func(settings ...string) map[string]string {
		to := filepath.Join(t.TempDir(), "run")
		if _, err := Run(
			context.Background(),
			load(t, dir, append(settings, "train.epochs=1", "sched.warmup_epochs=0", "train.precise_bn=16")...),
			Options{Dir: to, Log: io.Discard},
		); err != nil {
			t.Fatal(err)
		}
		state := map[string]string{}
		for _, e := range last(t, to).Tensors {
			state[e.Name] = fmt.Sprint(e.F32, e.I64)
		}
		return state
	}
	got := run("train.frozen_stages=1", `train.frozen=["stages.2.blocks.0.mlp.0.weight"]`)
	config := load(t, dir)
	fresh, err := model.New(config, 10)
	if err != nil {
		t.Fatal(err)
	}
	depths := layersOf(t, config, fresh)
	for _, x := range model.Tensors(fresh.Store()) {
		layer, _ := depths.Of(x.Name)
		stays := layer <= 1 || x.Name == "stages.2.blocks.0.mlp.0.weight"
		if same := got[x.Name] == fmt.Sprint(x.F32, x.I64); same != stays {
			t.Errorf("%s: unchanged is %v, want %v", x.Name, same, stays)
		}
		if _, ok := got["optimizer.exp_avg."+x.Name]; ok && stays {
			t.Errorf("the optimizer has a state of %s", x.Name)
		}
	}
}
