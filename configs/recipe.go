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
	// none; hard: cross entropy with the teacher's answer; soft: divergence from its softmax
	Type string `yaml:"type"`
	// a run, a checkpoint, a file of weights, hf://ORG/NAME or a URL
	Teacher string `yaml:"teacher"`
	// preset or YAML file of a teacher whose file does not tell its architecture
	Config string `yaml:"config"`
	// weights of the teacher: auto takes the averaged ones (EMA) if there are any; plain takes the weights of the
	// last step; ema takes the averaged ones, which must be there
	Weights string `yaml:"weights"`
	// which set of weights to take, if a teacher from PyTorch has several; "": look for it
	StateKey string `yaml:"state_key"`
	// share of the distillation in the loss
	Alpha float64 `yaml:"alpha"`
	// soft: temperature of both softmaxes
	Tau float64 `yaml:"tau"`
}

// Optim is the optimizer.
type Optim struct {
	// adamw, sgd (Nesterov), momentum (SGD, heavy ball), lars or lamb
	Opt string `yaml:"opt"`
	// peak learning rate, as it is: it is not scaled by the batch size
	LR float64 `yaml:"lr"`
	// weight decay
	WeightDecay float64 `yaml:"weight_decay"`
	// all; no-1d: not on biases and norms; no-1d-positions: nor on class token and positions; no-1d-tables: nor on
	// tables of position bias and tokens
	WeightDecayOn string `yaml:"weight_decay_on"`
	// factor of the learning rate from each block to the one before it; 1: the same for all
	LayerDecay float64 `yaml:"layer_decay"`
	// adamw and lamb: decay of the two moments
	Betas []float64 `yaml:"betas,flow"`
	// sgd, momentum and lars: momentum
	Momentum float64 `yaml:"momentum"`
	// adamw and lamb: added to the denominator
	Eps float64 `yaml:"eps"`
	// limit of the gradient, see clip_mode; 0: no clipping
	ClipGrad float64 `yaml:"clip_grad"`
	// lamb: limit of the norm of all gradients together, after clip_grad, as in timm; 0: no limit
	MaxGradNorm float64 `yaml:"max_grad_norm"`
	// norm: limit the norm of all gradients together; value: each value; agc: each output, relative to the norm of
	// its weights
	ClipMode string `yaml:"clip_mode"`
}

// Sched is the learning-rate schedule: a warm-up, and what follows it. Forms other
// than fasternet and localmim keep time as timm does: from the beginning of the
// run, in whole epochs.
type Sched struct {
	// fasternet, localmim and timm are cosines; or linear, poly, step, multistep, constant
	Form string `yaml:"form"`
	// epochs in which the learning rate rises; form fasternet: 20 or more rise once per epoch, as published, and
	// fewer rise every step
	WarmupEpochs int `yaml:"warmup_epochs"`
	// learning rate at the start of the warm-up
	WarmupLR float64 `yaml:"warmup_lr"`
	// learning rate at the end
	MinLR float64 `yaml:"min_lr"`
	// last epochs, at min_lr
	CooldownEpochs int `yaml:"cooldown_epochs"`
	// change every step instead of every epoch; fasternet and localmim have their own rule
	OnUpdates bool `yaml:"on_updates"`
	// the schedule after the warm-up counts its epochs from the end of the warm-up
	WarmupPrefix bool `yaml:"warmup_prefix"`
	// step: epochs between decays
	DecayEpochs float64 `yaml:"decay_epochs"`
	// step, multistep: factor of a decay
	DecayRate float64 `yaml:"decay_rate"`
	// multistep: epochs that begin with a decay
	Milestones []int `yaml:"milestones,flow"`
	// poly: exponent; 1 is linear
	Power float64 `yaml:"power"`
}

// EMA is an exponential moving average of the weights, evaluated on its own.
type EMA struct {
	// per step, e.g. 0.9998; 0: no average
	Decay float64 `yaml:"decay"`
	// start with a smaller decay: 1 - (1 + step/gamma)^-power
	Warmup bool `yaml:"warmup"`
	// warmup: gamma of the formula
	Gamma float64 `yaml:"gamma"`
	// warmup: power of the formula
	Power float64 `yaml:"power"`
}

// Train is the training loop.
type Train struct {
	// epochs to train
	Epochs int `yaml:"epochs"`
	// time for the run with its evaluations, e.g. 30m or 2h30m; the schedule then follows the clock, and epochs is
	// an estimate; "": no limit
	Budget string `yaml:"budget"`
	// samples per batch; several ranks share them
	BatchSize int `yaml:"batch_size"`
	// batches whose gradients make one step; what an epoch leaves over makes a smaller step
	AccumSteps int `yaml:"accum_steps"`
	// samples per validation batch, of each rank
	ValBatchSize int `yaml:"val_batch_size"`
	// epochs between evaluations
	ValInterval int `yaml:"val_interval"`
	// steps between lines of the log
	LogInterval int `yaml:"log_interval"`
	// freeze the embedding and this many stages (blocks of a ViT); -1: train all
	FrozenStages int `yaml:"frozen_stages"`
	// patterns of the names of parameters to keep as they are, e.g. "head.*"
	Frozen []string `yaml:"frozen,flow"`
	// keep only the inputs of blocks, and compute the blocks again in the backward pass: less memory, more time,
	// the same bits
	GradCheckpointing bool `yaml:"grad_checkpointing"`
	// training images that measure the statistics of batch norms before an evaluation; 0: use the running
	// statistics
	PreciseBN int `yaml:"precise_bn"`
	// several ranks: batch norms measure the whole batch, not each rank its share
	SyncBatchNorm bool `yaml:"sync_batchnorm"`
	// several ranks without sync_batchnorm: reduce averages the running statistics over the ranks; broadcast takes
	// the statistics of rank 0
	DistBN string `yaml:"dist_bn"`
	// stop after this many evaluations without a better checkpoint.monitor; 0: never
	Patience int `yaml:"patience"`
	// patience: smallest improvement that counts
	MinDelta float64 `yaml:"min_delta"`
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
		return wrong("distill.teacher",
			"%s distillation needs a teacher: a run, a checkpoint, or weights of another program", d.Type).
			with("distill.type")
	case d.Type == "none" && d.Teacher != "":
		return wrong("distill.type", "want hard or soft with a distill.teacher, got none").with("distill.teacher")
	}
	return nil
}

// Optimizers are the values of optim.opt.
var Optimizers = []string{"adamw", "sgd", "momentum", "lars", "lamb"}

func (o Optim) check() *problem {
	if p := each(
		"optim.betas",
		o.Betas,
		below(0, 1).values(2),
		"want two numbers from 0 to below 1, got %v",
		o.Betas,
	); p != nil {
		return p
	}
	if float32(max(o.Betas[0], o.Betas[1])) == 1 {
		return wrong("optim.betas", "want numbers below 1 in float32, at most 0.99999994, got %v", o.Betas)
	}
	if p := first(
		inside("optim.lr", o.LR, positive(), "want a number above 0, got %v", o.LR),
		inside(
			"optim.layer_decay",
			o.LayerDecay,
			share(),
			"want a number above 0 and up to 1, got %v",
			o.LayerDecay,
		),
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
		return wrong("optim.momentum", "sgd uses Nesterov momentum: want a number above 0, or set optim.opt=momentum").
			with("optim.opt")
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
	decay := inside("sched.decay_epochs", s.DecayEpochs, positive(), "want a number above 0, got %v", s.DecayEpochs)
	switch {
	case s.WarmupEpochs > epochs:
		return wrong("sched.warmup_epochs", "want no more than train.epochs (%d), got %d", epochs, s.WarmupEpochs).
			with("train.epochs")
	case s.WarmupEpochs+s.CooldownEpochs > epochs:
		return wrong("sched.cooldown_epochs", "with %d warm-up epochs, "+
			"want %d or less of the %d epochs (train.epochs), got %d",
			s.WarmupEpochs, epochs-s.WarmupEpochs, epochs, s.CooldownEpochs).with("train.epochs", "sched.warmup_epochs")
	case decay != nil:
		return decay
	case s.Form == "multistep" && len(s.Milestones) == 0:
		return wrong("sched.milestones", "want the epochs that begin with a decay, e.g. [30, 60, 80]").
			with("sched.form")
	case !slices.IsSorted(s.Milestones) || len(s.Milestones) > 0 && s.Milestones[0] < 1:
		return wrong("sched.milestones", "want epochs from 1 on in rising order, got %v", s.Milestones)
	}
	return nil
}

func (e EMA) check() *problem {
	return first(
		inside(
			"ema.decay",
			e.Decay,
			below(0, 1),
			"want a number from 0 (no average) to below 1, e.g. 0.9998, got %v",
			e.Decay,
		),
		within("ema.gamma", e.Gamma, 1e-6, math.MaxFloat64),
		within("ema.power", e.Power, 1e-6, 1),
	)
}

// BudgetTime returns the budget as a duration; 0 for none.
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

// checkFrozen checks that the stages exist and that the patterns can be parsed.
func (c *Config) checkFrozen() *problem {
	if m, ok := c.Model.Arch.(Staged); ok {
		if what, n := m.Stages(); c.Train.FrozenStages > n {
			return wrong("train.frozen_stages", "the model has %d %s, got %d", n, what, c.Train.FrozenStages).
				with("model")
		}
	}
	for _, p := range c.Train.Frozen {
		if _, err := path.Match(p, ""); err != nil || p == "" {
			return wrong("train.frozen", `want patterns of names with * and ?, e.g. "head.*", got %q`, p)
		}
	}
	return nil
}

// checkPreciseBN checks that there are batch norms to measure, and batches to measure them on.
func (c *Config) checkPreciseBN() *problem {
	_, normed := c.Model.Arch.(BatchNormed)
	switch n := c.Train.PreciseBN; {
	case n == 0:
		return nil
	case !normed:
		return wrong("train.precise_bn", "a %s has no batch norms: want 0, got %d", c.Model.Name, n).with("model.name")
	case n < c.Train.BatchSize:
		return wrong("train.precise_bn", "want 0, or at least one batch (train.batch_size, %d), got %d",
			c.Train.BatchSize, n).
			with("train.batch_size")
	}
	return nil
}
