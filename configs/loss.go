package configs

// Loss is what a classifier is trained by. Targets are soft: labels are smoothed
// (augment.smoothing) and mixed.
type Loss struct {
	// ce: softmax cross entropy; bce: binary cross entropy of every class; focal: ce, or bce with task multilabel,
	// with less weight on easy images; asl: asymmetric loss, for task multilabel
	Name string `yaml:"name"`
	// bce: targets above it count as 1, the others as 0; 0: keep them soft
	Threshold float64 `yaml:"threshold"`
	// bce, asl, and focal with task multilabel: sum over the classes instead of their mean
	SumClasses bool `yaml:"sum_classes"`
	// weight of each class: balanced is in proportion to 1 / images of the class (with task multilabel, a positive
	// label counts images without it / images with it); sqrt: to the square root of that; effective: by the
	// effective number of images; or numbers: a list in the order of the classes, or class name: number, where
	// other classes have 1
	ClassWeights *ClassWeights `yaml:"class_weights"`
	// class_weights effective, below 1: 0 is none, 1 is balanced; for few images per class, 0.99 or less
	EffectiveBeta float64 `yaml:"effective_beta"`
	// focal: exponent of the weight (1-p)^gamma; larger looks less at easy images, 0 is the loss without focus
	Gamma float64 `yaml:"gamma"`
	// focal with task multilabel: weight of positive labels, where negative ones have 1-alpha; 0.25 as published
	// for object detection; 0: 1 for both
	Alpha float64 `yaml:"alpha"`
	// asl: exponent for negative labels
	GammaNeg float64 `yaml:"gamma_neg"`
	// asl: exponent for positive labels
	GammaPos float64 `yaml:"gamma_pos"`
	// asl: negative labels below this probability count nothing; it is subtracted from the others
	Clip float64 `yaml:"clip"`
	// ce and focal: add the log of each class's share in training, times this, to the logits in training alone; 1
	// is usual; 0: off
	LogitAdjustment float64 `yaml:"logit_adjustment"`
}

// losses are the values of loss.name.
var losses = []string{"ce", "bce", "focal", "asl"}

// DefaultLoss is softmax cross entropy; the keys of other losses have their usual values.
func DefaultLoss() Loss {
	return Loss{
		Name:          "ce",
		ClassWeights:  &ClassWeights{Rule: NoWeights},
		EffectiveBeta: 0.999,
		Gamma:         2,
		GammaNeg:      4,
		Clip:          0.05,
	}
}

func (l Loss) check() *problem {
	d := DefaultLoss()
	if p := first(
		oneOf("loss.name", l.Name, losses...),
		within("loss.threshold", l.Threshold, 0, 0.999),
		l.only("loss.threshold", l.Threshold != 0, "bce"),
		l.only("loss.sum_classes", l.SumClasses, "bce", "focal", "asl"),
		l.ClassWeights.check("loss.class_weights"),
		within("loss.gamma", l.Gamma, 0, 100),
		l.only("loss.gamma", l.Gamma != d.Gamma, "focal"),
		within("loss.alpha", l.Alpha, 0, 0.999),
		l.only("loss.alpha", l.Alpha != 0, "focal"),
		within("loss.gamma_neg", l.GammaNeg, 0, 100),
		l.only("loss.gamma_neg", l.GammaNeg != d.GammaNeg, "asl"),
		within("loss.gamma_pos", l.GammaPos, 0, 100),
		l.only("loss.gamma_pos", l.GammaPos != d.GammaPos, "asl"),
		within("loss.clip", l.Clip, 0, 0.99),
		l.only("loss.clip", l.Clip != d.Clip, "asl"),
		within("loss.logit_adjustment", l.LogitAdjustment, 0, 100),
		l.only("loss.logit_adjustment", l.LogitAdjustment != 0, "ce", "focal"),
	); p != nil {
		return p
	}
	if l.EffectiveBeta < 0 || l.EffectiveBeta >= 1 {
		return wrong("loss.effective_beta", "want a number from 0 to below 1, e.g. 0.999, got %v", l.EffectiveBeta)
	}
	if l.EffectiveBeta != d.EffectiveBeta && l.ClassWeights.Words() != EffectiveWeights {
		return wrong("loss.effective_beta", "needs loss.class_weights effective, got %s", l.ClassWeights.Words()).
			with("loss.class_weights")
	}
	return nil
}

// only refuses a key that is set but does not belong to the loss.
func (l Loss) only(key string, set bool, names ...string) *problem {
	for _, name := range names {
		if !set || l.Name == name {
			return nil
		}
	}
	return wrong(key, "needs loss.name %s, got %s", listed(names), l.Name).with("loss.name")
}

// The values of data.sampling.
const (
	InstanceSampling = "instance"
	SqrtSampling     = "sqrt"
	BalancedSampling = "balanced"
)

// checkImbalance refuses remedies for uneven classes that contradict each other.
func (c *Config) checkImbalance() *problem {
	l := c.Loss
	if c.Task == "localmim" {
		switch {
		case c.Data.Sampling != InstanceSampling:
			return wrong("data.sampling", "pre-training uses no labels: want %s, got %s",
				InstanceSampling, c.Data.Sampling).
				with("task")
		case !l.ClassWeights.None():
			return wrong("loss.class_weights", "pre-training has no classes: want none, got %s",
				l.ClassWeights.Words()).
				with("task")
		case l.LogitAdjustment != 0:
			return wrong("loss.logit_adjustment", "pre-training has no classes: want 0, got %v", l.LogitAdjustment).
				with("task")
		}
		return nil
	}
	if l.LogitAdjustment != 0 && c.Data.Sampling != InstanceSampling {
		return wrong("loss.logit_adjustment",
			"data.sampling %s already balances the classes that the adjustment corrects: choose one",
			c.Data.Sampling).
			with("data.sampling")
	}
	return nil
}

// imbalanceNotes warn about remedies for uneven classes that do the same thing twice.
func (c *Config) imbalanceNotes() (notes []string) {
	rule := !c.Loss.ClassWeights.None() && c.Loss.ClassWeights.Rule != ""
	switch {
	case rule && c.Data.Sampling != InstanceSampling:
		notes = append(notes, "rare classes are both shown more often (data.sampling "+c.Data.Sampling+
			") and given more weight (loss.class_weights "+c.Loss.ClassWeights.Rule+"): usually you want only one")
	case rule && c.Loss.LogitAdjustment != 0:
		notes = append(notes, "rare classes are both given more weight (loss.class_weights "+c.Loss.ClassWeights.Rule+
			") and adjusted (loss.logit_adjustment): usually you want only one")
	}
	return notes
}
