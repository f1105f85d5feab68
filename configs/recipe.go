package configs

import (
	"fmt"
	"math"
	"path"
	"slices"
	"time"
)

// Distill is knowledge distillation (Hinton et al., 2015; Touvron et al., 2021):
// the loss becomes (1-alpha)·loss + alpha·distillation.
type Distill struct {
	Type     string  `yaml:"type"`      // none; hard: cross entropy with the teacher's answer; soft: divergence from its softmax
	Teacher  string  `yaml:"teacher"`   // run, checkpoint, weights of another program, hf://ORG/NAME or a URL
	Config   string  `yaml:"config"`    // preset or YAML file of a teacher whose file does not tell its architecture
	Weights  string  `yaml:"weights"`   // of the teacher: auto takes the averaged ones (EMA) if there are any; plain takes the weights of the last step; with ema averaged ones must be there
	StateKey string  `yaml:"state_key"` // of a teacher from PyTorch with several sets of weights: the key of one; "" looks for it
	Alpha    float64 `yaml:"alpha"`     // share of the distillation
	Tau      float64 `yaml:"tau"`       // soft: temperature of both softmaxes
}

// Optim is the optimizer.
type Optim struct {
	Opt           string    `yaml:"opt"` // adamw, sgd (Nesterov), momentum (SGD, heavy ball), lars or lamb
	LR            float64   `yaml:"lr"`  // absolute
	WeightDecay   float64   `yaml:"weight_decay"`
	WeightDecayOn string    `yaml:"weight_decay_on"` // all; no-1d: not on biases and norms; no-1d-positions: nor on class token and positions; no-1d-tables: nor on tables of position bias and tokens
	LayerDecay    float64   `yaml:"layer_decay"`     // factor of the learning rate from a block to the one before it; 1 for the same everywhere
	Betas         []float64 `yaml:"betas,flow"`      // of adamw and lamb
	Momentum      float64   `yaml:"momentum"`        // of sgd, momentum and lars
	Eps           float64   `yaml:"eps"`             // of adamw and lamb
	ClipGrad      float64   `yaml:"clip_grad"`       // largest gradient; 0 for no clipping
	MaxGradNorm   float64   `yaml:"max_grad_norm"`   // lamb: of all gradients together, after clip_grad, as timm's has it; 0 for no limit
	ClipMode      string    `yaml:"clip_mode"`       // norm: of all together; value: of each; agc: of each output, as a part of the norm of its weights
}

// Sched is the learning-rate schedule: a warm-up, and what follows it. Forms other
// than fasternet and localmim keep time as timm does: from the beginning of the
// run, in whole epochs.
type Sched struct {
	Form           string  `yaml:"form"`          // fasternet, localmim or timm: cosine; linear, poly, step, multistep, constant
	WarmupEpochs   int     `yaml:"warmup_epochs"` // of fasternet: from 20 on constant in each epoch, as published; fewer rise every step
	WarmupLR       float64 `yaml:"warmup_lr"`
	MinLR          float64 `yaml:"min_lr"`
	CooldownEpochs int     `yaml:"cooldown_epochs"` // at the end, at min_lr
	OnUpdates      bool    `yaml:"on_updates"`      // change every step, not every epoch; fasternet and localmim have their own rule
	WarmupPrefix   bool    `yaml:"warmup_prefix"`   // what follows the warm-up counts its epochs from there
	DecayEpochs    float64 `yaml:"decay_epochs"`    // step: between decays
	DecayRate      float64 `yaml:"decay_rate"`      // step, multistep: factor of a decay
	Milestones     []int   `yaml:"milestones,flow"` // multistep: epochs that begin with a decay
	Power          float64 `yaml:"power"`           // poly: exponent; 1 is linear
}

// EMA is an exponential moving average of the weights, evaluated on its own.
type EMA struct {
	Decay  float64 `yaml:"decay"`  // a step, e.g. 0.9998; 0 for no average
	Warmup bool    `yaml:"warmup"` // begin with a smaller decay: 1 - (1 + step/gamma)^-power
	Gamma  float64 `yaml:"gamma"`
	Power  float64 `yaml:"power"`
}

// Train is the loop.
type Train struct {
	Epochs            int      `yaml:"epochs"`
	Budget            string   `yaml:"budget"`             // time that the run takes, with its evaluations, e.g. 30m or 2h30m; the schedule follows the clock then, and epochs is about how many there will be; "" for so many epochs, however long they take
	BatchSize         int      `yaml:"batch_size"`         // samples; several ranks share them
	AccumSteps        int      `yaml:"accum_steps"`        // batches whose gradients make one step; the rest of an epoch makes a smaller one
	ValBatchSize      int      `yaml:"val_batch_size"`     // of each rank
	ValInterval       int      `yaml:"val_interval"`       // epochs
	LogInterval       int      `yaml:"log_interval"`       // steps
	FrozenStages      int      `yaml:"frozen_stages"`      // the embedding and so many stages (of a vit: blocks) stay as they are; -1 for none
	Frozen            []string `yaml:"frozen,flow"`        // patterns of names of parameters that stay as they are, e.g. "head.*"
	GradCheckpointing bool     `yaml:"grad_checkpointing"` // blocks keep their input alone and are computed again in the backward pass: less memory, more time, the same bits
	PreciseBN         int      `yaml:"precise_bn"`         // training images that the statistics of batch norms are measured on before an evaluation; 0 for the running ones
	SyncBatchNorm     bool     `yaml:"sync_batchnorm"`     // of several ranks the batch norms measure the whole batch; false: each rank's its share
	DistBN            string   `yaml:"dist_bn"`            // without sync_batchnorm the running statistics that count: reduce, the mean over the ranks; broadcast, rank 0's
	Patience          int      `yaml:"patience"`           // evaluations without a better checkpoint.monitor that end the run; 0 for no early end
	MinDelta          float64  `yaml:"min_delta"`          // patience: by how much it must be better
}

func (d Distill) check() *problem {
	if p := first(
		oneOf("distill.type", d.Type, "none", "hard", "soft"),
		oneOf("distill.weights", d.Weights, "auto", "plain", "ema"),
		within("distill.alpha", d.Alpha, 0, 1),
		within("distill.tau", d.Tau, 1e-3, 1e3),
	); p != nil {
		return p
	}
	if p := checkReference("distill.teacher", d.Teacher); p != nil {
		return p
	}
	switch {
	case d.Type != "none" && d.Teacher == "":
		return wrong("distill.teacher", "want the teacher of %s distillation: a run, a checkpoint, or weights of another program", d.Type).with("distill.type")
	case d.Type == "none" && d.Teacher != "":
		return wrong("distill.type", "want hard or soft with a distill.teacher, got none").with("distill.teacher")
	}
	return nil
}

// Optimizers are the values of optim.opt.
var Optimizers = []string{"adamw", "sgd", "momentum", "lars", "lamb"}

func (o Optim) check() *problem {
	if p := each("optim.betas", o.Betas, below(0, 1).values(2), "want two numbers from 0 to below 1, got %v", o.Betas); p != nil {
		return p
	}
	if float32(max(o.Betas[0], o.Betas[1])) == 1 {
		return wrong("optim.betas", "want numbers below 1 in float32 too, at most 0.99999994, got %v", o.Betas)
	}
	if p := first(
		inside("optim.lr", o.LR, above(0), "want a number above 0, got %v", o.LR),
		inside("optim.layer_decay", o.LayerDecay, upTo(0, 1), "want a number above 0 and up to 1, got %v", o.LayerDecay),
		oneOf("optim.opt", o.Opt, Optimizers...),
		oneOf("optim.weight_decay_on", o.WeightDecayOn, "all", "no-1d", "no-1d-positions", "no-1d-tables"),
		within("optim.weight_decay", o.WeightDecay, 0, math.MaxFloat64),
		within("optim.momentum", o.Momentum, 0, 0.9999),
		within("optim.eps", o.Eps, 1e-30, 1),
		within("optim.clip_grad", o.ClipGrad, 0, math.MaxFloat64),
		within("optim.max_grad_norm", o.MaxGradNorm, 0, math.MaxFloat64),
		oneOf("optim.clip_mode", o.ClipMode, "norm", "value", "agc"),
	); p != nil {
		return p
	}
	if o.Opt == "sgd" && o.Momentum == 0 {
		return wrong("optim.momentum", "sgd has Nesterov's momentum: want a number above 0; without any take opt momentum").with("optim.opt")
	}
	return nil
}

// Schedules are the values of sched.form.
var Schedules = []string{"fasternet", "localmim", "timm", "linear", "poly", "step", "multistep", "constant"}

func (s Sched) check(epochs int) *problem {
	if p := first(
		oneOf("sched.form", s.Form, Schedules...),
		atLeast("sched.warmup_epochs", s.WarmupEpochs, 0),
		atLeast("sched.cooldown_epochs", s.CooldownEpochs, 0),
		within("sched.warmup_lr", s.WarmupLR, 0, math.MaxFloat64),
		within("sched.min_lr", s.MinLR, 0, math.MaxFloat64),
		within("sched.decay_rate", s.DecayRate, 0, 1),
		within("sched.power", s.Power, 1e-3, 1e3),
	); p != nil {
		return p
	}
	record("sched.milestones", from(1))
	decay := inside("sched.decay_epochs", s.DecayEpochs, above(0), "want a number above 0, got %v", s.DecayEpochs)
	switch {
	case s.WarmupEpochs > epochs:
		return wrong("sched.warmup_epochs", "want no more than train.epochs (%d), got %d", epochs, s.WarmupEpochs).with("train.epochs")
	case s.WarmupEpochs+s.CooldownEpochs > epochs:
		return wrong("sched.cooldown_epochs", "with %d of warm-up want no more than %d of the %d epochs (train.epochs), got %d",
			s.WarmupEpochs, epochs-s.WarmupEpochs, epochs, s.CooldownEpochs).with("train.epochs", "sched.warmup_epochs")
	case decay != nil:
		return decay
	case s.Form == "multistep" && len(s.Milestones) == 0:
		return wrong("sched.milestones", "want the epochs that begin with a decay, e.g. [30, 60, 80]").with("sched.form")
	case !slices.IsSorted(s.Milestones) || len(s.Milestones) > 0 && s.Milestones[0] < 1:
		return wrong("sched.milestones", "want epochs from 1 on in rising order, got %v", s.Milestones)
	}
	return nil
}

func (e EMA) check() *problem {
	return first(
		inside("ema.decay", e.Decay, below(0, 1), "want a number from 0 (no average) to below 1, e.g. 0.9998, got %v", e.Decay),
		within("ema.gamma", e.Gamma, 1e-6, math.MaxFloat64),
		within("ema.power", e.Power, 1e-6, 1),
	)
}

// BudgetTime is the budget as a time; 0 for none.
func (t Train) BudgetTime() (time.Duration, error) {
	if t.Budget == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(t.Budget)
	if err != nil || d <= 0 || d > mostBudget {
		return 0, fmt.Errorf("want a time such as 90s, 30m or 2h30m, got %q", t.Budget)
	}
	return d, nil
}

// mostBudget is more than ten years.
const mostBudget = 100_000 * time.Hour

func (t Train) check() *problem {
	if _, err := t.BudgetTime(); err != nil {
		return wrong("train.budget", "%v", err)
	}
	return first(
		atLeast("train.epochs", t.Epochs, 1),
		atLeast("train.batch_size", t.BatchSize, 1),
		atLeast("train.accum_steps", t.AccumSteps, 1),
		atLeast("train.val_batch_size", t.ValBatchSize, 1),
		atLeast("train.val_interval", t.ValInterval, 1),
		atLeast("train.log_interval", t.LogInterval, 1),
		atLeast("train.frozen_stages", t.FrozenStages, -1),
		atLeast("train.precise_bn", t.PreciseBN, 0),
		oneOf("train.dist_bn", t.DistBN, "reduce", "broadcast"),
		atLeast("train.patience", t.Patience, 0),
		within("train.min_delta", t.MinDelta, 0, math.MaxFloat64),
	)
}

// checkFrozen: as many stages as there are, and patterns that can be read.
func (c *Config) checkFrozen() *problem {
	if m, ok := c.Model.Arch.(Staged); ok {
		if what, n := m.Stages(); c.Train.FrozenStages > n {
			return wrong("train.frozen_stages", "the model has %d %s, got %d", n, what, c.Train.FrozenStages).with("model")
		}
	}
	for _, p := range c.Train.Frozen {
		if _, err := path.Match(p, ""); err != nil || p == "" {
			return wrong("train.frozen", `want patterns of names with * and ?, e.g. "head.*", got %q`, p)
		}
	}
	return nil
}

// checkPreciseBN: there are batch norms to measure, and batches to measure them on.
func (c *Config) checkPreciseBN() *problem {
	_, normed := c.Model.Arch.(BatchNormed)
	switch n := c.Train.PreciseBN; {
	case n == 0:
		return nil
	case !normed:
		return wrong("train.precise_bn", "a %s has no batch norms: want 0, got %d", c.Model.Name, n).with("model.name")
	case n < c.Train.BatchSize:
		return wrong("train.precise_bn", "want a batch (train.batch_size, %d) or more, or 0, got %d", c.Train.BatchSize, n).with("train.batch_size")
	}
	return nil
}
