package recipe

import "math"

var rateRule = rule{
	name: "Learning rate", keys: []string{"optim.opt", "optim.lr"},
	reason: `AdamW. At batches of 64: 0.001 for FasterNet, 0.004 for the small ones with three
stages (which begin with larger weights), 0.0005 for transformers, 0.00075 for pre-training. Other
batches scale it with the square root of their size, like the noise of AdamW's steps. With weights to
start from, a quarter of that: they need changes, not a replacement.`,
	apply: func(d *draft) error {
		lr := 1e-3
		switch {
		case d.facts.Task == "localmim":
			lr = 7.5e-4
		case d.config.Model.Name != "fasternet":
			lr = 5e-4
		case d.facts.tiny() && d.config.Model.InitStd > 0.05:
			lr = 4e-3
		}
		if d.facts.From != "" {
			lr /= 4
		}
		lr *= math.Sqrt(float64(d.config.Train.BatchSize*d.config.Train.AccumSteps) / 64)
		d.set("optim.opt", "adamw", "")
		d.set("optim.lr", round(lr), "AdamW at batches of %d", d.config.Train.BatchSize*d.config.Train.AccumSteps)
		return nil
	},
}

var scheduleRule = rule{
	name: "Schedule",
	keys: []string{
		"sched.form", "sched.on_updates", "sched.warmup_prefix", "sched.warmup_epochs", "sched.warmup_lr",
		"sched.min_lr",
	},
	reason: `A linear warm-up over a twentieth of the epochs, then a cosine down to a thousandth
of the peak. Both change every step, because a rate per epoch is coarse if an epoch has few steps. With
fewer than ten epochs there is no warm-up: gradient clipping limits the first steps. Pre-training has
LocalMIM's form, which is the same.`,
	apply: func(d *draft) error {
		epochs := d.epochs()
		warmup := 0
		if epochs >= 10 {
			warmup = max(int(math.Round(0.05*float64(epochs))), 1)
		}
		if d.facts.Task == "localmim" {
			d.set("sched.form", "localmim", "")
			d.set("sched.warmup_epochs", warmup, "of %d epochs", epochs)
			d.set("sched.min_lr", 1e-6, "")
			return nil
		}
		d.set("sched.form", "timm", "a cosine")
		d.set("sched.on_updates", true, "which falls every step")
		d.set("sched.warmup_prefix", true, "after the warm-up")
		d.set("sched.warmup_epochs", warmup, "of %d epochs", epochs)
		d.set("sched.warmup_lr", round(d.config.Optim.LR/100), "")
		d.set("sched.min_lr", round(d.config.Optim.LR/1000), "")
		return nil
	},
}
