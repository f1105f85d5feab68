package recipe

import "math"

var evaluationRule = rule{
	name: "Evaluations and logs",
	keys: []string{
		"train.val_interval", "train.val_batch_size", "train.log_interval", "checkpoint.every_epochs",
		"checkpoint.monitor",
	},
	reason: `Evaluations take about 6 % of the time: at most 30, and always one at the end. The
run keeps the best model of all evaluations. It writes a checkpoint at every evaluation, or every
minute.`,
	apply: func(d *draft) error {
		f, c := d.facts, d.config
		times := 1.0
		if c.EMA.Decay > 0 {
			times = 2
		}
		cost := times*float64(f.Val)/3/d.speed + 0.2 // seconds: a forward pass is a third of a step
		number := clamp(evaluating*f.training()/cost, 1, 30)
		every := max(int(math.Ceil(float64(c.Train.Epochs)/number)), 1)
		d.set("train.val_interval", every, "about %.0f evaluations", math.Ceil(float64(c.Train.Epochs)/float64(every)))
		d.set("train.val_batch_size", 64, "")
		epoch := float64(f.Train) / d.speed // seconds
		d.set("checkpoint.every_epochs", max(min(int(60/epoch), every), 1), "")
		steps := max(f.Train/c.Train.BatchSize, 1)
		d.set("train.log_interval", min(max(steps, 10), 50), "")
		return nil
	},
}
