package configs_test

import (
	"strings"
	"testing"

	"fasternet/configs"
)

// Every wrong key of a recipe is reported with its place.
func TestRecipeErrors(t *testing.T) {
	for _, c := range []struct{ setting, want string }{
		{"loss: {name: mse}", `loss.name: want ce or bce or focal or asl, got "mse"`},
		{"loss: {threshold: 0.5}", "loss.threshold: needs loss.name bce, got ce"},
		{"loss: {name: bce, threshold: 1}", "loss.threshold: want a number from 0 to 0.999, got 1"},
		{"loss: {sum_classes: true}", "loss.sum_classes: needs loss.name bce"},
		{"distill: {type: token}", "distill.type: want none or hard or soft"},
		{"distill: {type: soft}", "distill.teacher: soft distillation"},
		{"distill: {teacher: runs/a}", "distill.type: want hard or soft with a distill.teacher, got none"},
		{"distill: {alpha: 1.5}", "distill.alpha: want a number from 0 to 1, got 1.5"},
		{"distill: {tau: 0}", "distill.tau: want a number from 0.001"},
		{
			"optim: {opt: adam}",
			`optim.opt: want adamw or sgd or momentum or lars or lamb, got "adam", did you mean adamw?`,
		},
		{"optim: {opt: sgd, momentum: 0}", "optim.momentum: sgd uses Nesterov momentum"},
		{"optim: {momentum: 1}", "optim.momentum: want a number from 0 to 0.9999, got 1"},
		{"optim: {clip_grad: -1}", "optim.clip_grad: want a number from 0"},
		{"optim: {betas: [0.9, 0.99999999]}", "optim.betas: want numbers below 1 in float32"},
		{"optim: {clip_mode: all}", "optim.clip_mode: want norm or value or agc"},
		{
			"sched: {form: cosine}",
			"sched.form: want fasternet or localmim or timm or linear or poly or step or multistep or constant",
		},
		{
			"sched: {cooldown_epochs: 96}",
			"sched.cooldown_epochs: with 5 warm-up epochs, want 95 or less of the 100 epochs (train.epochs), got 96",
		},
		{"sched: {decay_epochs: 0}", "sched.decay_epochs: want a number above 0"},
		{"sched: {decay_rate: 2}", "sched.decay_rate: want a number from 0 to 1, got 2"},
		{"sched: {form: multistep}", "sched.milestones: want the epochs"},
		{"sched: {milestones: [30, 20]}", "sched.milestones: want epochs from 1 on in rising order, got [30 20]"},
		{"sched: {milestones: [0, 20]}", "sched.milestones: want epochs from 1 on"},
		{"sched: {milestones: [a]}", "sched.milestones: want a list of integers"},
		{"sched: {power: 0}", "sched.power: want a number from 0.001"},
		{"ema: {decay: 1}", "ema.decay: want a number from 0 (no average) to below 1"},
		{"ema: {gamma: 0}", "ema.gamma"},
		{"ema: {power: 2}", "ema.power: want a number from 1e-06 to 1, got 2"},
		{"ema: {decai: 0.9}", "ema.decai: unknown key, did you mean decay?"},
		{"train: {frozen_stages: 5}", "train.frozen_stages: the model has 4 stages, got 5"},
		{"train: {frozen_stages: -2}", "train.frozen_stages: want -1 or more, got -2"},
		{`train: {frozen: ["["]}`, "train.frozen: want patterns of names"},
		{`train: {frozen: head}`, `train.frozen: want a list of texts, got "head"`},
		{
			"train: {precise_bn: 100}",
			"train.precise_bn: want 0, or at least one batch (train.batch_size, 128), got 100",
		},
		{"train: {precise_bn: 256}\nmodel: {name: swin}", "train.precise_bn: a swin has no batch norms"},
		{"train: {dist_bn: none}", `train.dist_bn: want reduce or broadcast, got "none"`},
		{"train: {patience: -1}", "train.patience: want 0 or more, got -1"},
		{"train: {min_delta: -1}", "train.min_delta"},
		{"train: {frozen_stages: 13}\nmodel: {name: vit}", "train.frozen_stages: the model has 12 blocks, got 13"},
		{"task: localmim\nmodel: {name: vit}\nloss: {name: bce}", "loss.name: pre-training has its own loss"},
		{
			"task: localmim\nmodel: {name: vit}\ntrain: {frozen_stages: 0}",
			"train.frozen_stages: pre-training trains the whole encoder",
		},
		{
			"task: localmim\nmodel: {name: vit}\ndistill: {type: soft, teacher: a}",
			"distill.type: pre-training has no logits",
		},
	} {
		t.Run(c.setting, func(t *testing.T) {
			_, err := configs.Parse("x.yaml", c.setting)
			if err == nil ||
				!strings.HasPrefix(err.Error(), "x.yaml:") && !strings.HasPrefix(err.Error(), "config: ") ||
				!strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %q", c.setting, err, c.want)
			}
		})
	}
}

// The recipes of the papers have no average, and missing keys keep the values from before there was a choice.
func TestRecipeDefaults(t *testing.T) {
	for _, name := range configs.Presets() {
		c, err := configs.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if c.EMA.Decay != 0 ||
			c.Optim.Opt != "adamw" ||
			c.Optim.ClipMode != "norm" ||
			c.Distill.Type != "none" ||
			c.Loss.Name != "ce" ||
			c.Train.FrozenStages != -1 ||
			c.Train.Patience != 0 {
			t.Errorf("%s: %+v", name, c)
		}
	}
}
