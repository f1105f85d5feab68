package recipe

import (
	"fasternet/configs"
	"fasternet/graph/fasternet"
)

// widthOf returns the width of the first stage of a FasterNet; 0 for other models.
func widthOf(c *configs.Config) int {
	a, err := configs.ArchOf[fasternet.Config](c.Model)
	if err != nil {
		return 0
	}
	return a.EmbedDim
}

var regularRule = rule{
	name: "Drop path", keys: []string{"model.drop_path_rate"},
	reason: `0.05 if images are seen often (40 times or more), otherwise none, and none for
FasterNet-T0, as published.`,
	apply: func(d *draft) error {
		narrow := !d.facts.tiny() && d.config.Model.Name == "fasternet" && widthOf(d.config) <= networks[0].dim
		if d.facts.Task == "classify" && d.views() >= often && !narrow {
			d.set("model.drop_path_rate", 0.05, "images are seen often")
		}
		return nil
	},
}

var decayRule = rule{
	name: "Weight decay",
	keys: []string{"optim.weight_decay", "optim.weight_decay_on", "optim.clip_grad", "optim.betas"},
	reason: `0.05 on matrices and filters, but not on biases and norms, as in timm and the
recipes of transformers. The published recipes of FasterNet (0.005 to 0.03 on everything) are for
batches of 4096. For classifiers, gradients are clipped at a norm of 1: a single batch of a small data
set can have a large gradient. Pre-training has LocalMIM's second beta, 0.95.`,
	apply: func(d *draft) error {
		d.set("optim.weight_decay", 0.05, "")
		d.set("optim.weight_decay_on", "no-1d", "not on biases and norms")
		if d.facts.Task == "localmim" {
			d.set("optim.betas", []float64{0.9, 0.95}, "as in LocalMIM")
			return nil
		}
		d.set("optim.clip_grad", 1.0, "limits how far a batch with a large gradient moves the weights")
		return nil
	},
}

var averageRule = rule{
	name: "Averaged weights (EMA)", keys: []string{"ema.decay", "ema.warmup"},
	reason: `The average of the weights over about the last 3 % of the steps, with a warm-up. The
run evaluates both the last weights and the average, and the average counts. In a short run it is worth
a point or two, because most of the cosine has high rates. timm's usual decay of 0.9998 would average
over more steps than a small run has. Pre-training has none.`,
	apply: func(d *draft) error {
		if d.facts.Task == "localmim" {
			return nil
		}
		steps := clamp(0.03*d.updates(), 20, 5000)
		d.set("ema.decay", 1-round(1/steps), "an average over about %.0f of %.0f steps", steps, d.updates())
		d.set("ema.warmup", true, "")
		return nil
	},
}
