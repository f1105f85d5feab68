package configs

// Loss is what a classifier is trained by. Targets are soft: labels are smoothed
// (augment.smoothing) and mixed.
type Loss struct {
	Name            string        `yaml:"name"`             // ce: softmax cross entropy; bce: binary cross entropy of every class; focal: ce or, of task multilabel, bce with less weight on what is easy; asl: asymmetric loss, of task multilabel
	Threshold       float64       `yaml:"threshold"`        // bce: targets above it count as 1, the others as 0; 0 leaves them soft
	SumClasses      bool          `yaml:"sum_classes"`      // bce, asl, and focal of task multilabel: sum over the classes, not their mean
	ClassWeights    *ClassWeights `yaml:"class_weights"`    // how much each class counts. balanced: in proportion to 1/images of the class (of task multilabel, positive labels count images without the label / images with it); sqrt: to the square root of that; effective: by the effective number of images; or numbers: a list in the order of the classes, or class name: number (others have 1)
	EffectiveBeta   float64       `yaml:"effective_beta"`   // class_weights effective: 0 is none, 1 is balanced; for few images a class, 0.99 or less
	Gamma           float64       `yaml:"gamma"`            // focal: exponent of the weight of what is easy, (1-p)^gamma; 0 is the loss without focus
	Alpha           float64       `yaml:"alpha"`            // focal of task multilabel: weight of positive labels, negative ones have 1-alpha; 0.25 as published for object detection; 0 for 1 each
	GammaNeg        float64       `yaml:"gamma_neg"`        // asl: exponent for negative labels
	GammaPos        float64       `yaml:"gamma_pos"`        // asl: exponent for positive labels
	Clip            float64       `yaml:"clip"`             // asl: probability below which a negative label counts nothing; it is taken off the others
	LogitAdjustment float64       `yaml:"logit_adjustment"` // ce and focal: log of the share of each class in training, times this, is added to the logits in training alone; 1 is usual, 0 for not
}

// losses are the values of loss.name.
var losses = []string{"ce", "bce", "focal", "asl"}

// DefaultLoss is softmax cross entropy, with the usual values of what other losses take.
func DefaultLoss() Loss {
	return Loss{Name: "ce", ClassWeights: &ClassWeights{Rule: NoWeights}, EffectiveBeta: 0.999, Gamma: 2, GammaNeg: 4, Clip: 0.05}
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
		return wrong("loss.effective_beta", "it is for loss.class_weights effective, got %s", l.ClassWeights.Words()).with("loss.class_weights")
	}
	return nil
}

// only refuses a key that is set and not for the loss.
func (l Loss) only(key string, set bool, names ...string) *problem {
	for _, name := range names {
		if !set || l.Name == name {
			return nil
		}
	}
	return wrong(key, "it is for loss.name %s, got %s", listed(names), l.Name).with("loss.name")
}

// The values of data.sampling.
const (
	InstanceSampling = "instance"
	SqrtSampling     = "sqrt"
	BalancedSampling = "balanced"
)

// checkImbalance refuses remedies for uneven classes that cannot go together.
func (c *Config) checkImbalance() *problem {
	l := c.Loss
	if c.Task == "localmim" {
		switch {
		case c.Data.Sampling != InstanceSampling:
			return wrong("data.sampling", "a pre-training looks at no labels: want %s, got %s", InstanceSampling, c.Data.Sampling).with("task")
		case !l.ClassWeights.None():
			return wrong("loss.class_weights", "a pre-training has no classes: want none, got %s", l.ClassWeights.Words()).with("task")
		case l.LogitAdjustment != 0:
			return wrong("loss.logit_adjustment", "a pre-training has no classes: want 0, got %v", l.LogitAdjustment).with("task")
		}
		return nil
	}
	if l.LogitAdjustment != 0 && c.Data.Sampling != InstanceSampling {
		return wrong("loss.logit_adjustment", "%s sampling (data.sampling) evens the classes out already, and the adjustment counts on their shares in the data: take one of them", c.Data.Sampling).with("data.sampling")
	}
	return nil
}

// imbalanceNotes are about remedies for uneven classes that add up.
func (c *Config) imbalanceNotes() (notes []string) {
	rule := !c.Loss.ClassWeights.None() && c.Loss.ClassWeights.Rule != ""
	switch {
	case rule && c.Data.Sampling != InstanceSampling:
		notes = append(notes, "rare classes are both shown more often (data.sampling "+c.Data.Sampling+") and given more weight (loss.class_weights "+c.Loss.ClassWeights.Rule+"): usually one of them is meant")
	case rule && c.Loss.LogitAdjustment != 0:
		notes = append(notes, "rare classes are both given more weight (loss.class_weights "+c.Loss.ClassWeights.Rule+") and adjusted (loss.logit_adjustment): usually one of them is meant")
	}
	return notes
}
