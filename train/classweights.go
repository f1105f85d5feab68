package train

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/classes"
	"fasternet/eval"
	"fasternet/ops"
)

// balance adds to a loss what depends on the number of training images per class: the weights of
// loss.class_weights, and the priors of loss.logit_adjustment.
func balance(l *ops.Loss, c *configs.Config, ds data.Dataset, outputs int) (err error) {
	if l.Weights, err = classWeights(c.Loss, ds, outputs); err != nil {
		return fmt.Errorf("loss.class_weights: %w", err)
	}
	if c.Loss.LogitAdjustment == 0 {
		return nil
	}
	counts, err := data.CountClasses(ds)
	if err != nil {
		return err
	}
	l.Adjustment = make([]float32, outputs)
	for k := range outputs {
		n := 0
		if k < len(counts) {
			n = counts[k]
		}
		// Classes without images are never right. A share of one image keeps their prior above 0.
		l.Adjustment[k] = float32(c.Loss.LogitAdjustment * math.Log(float64(max(n, 1))/float64(ds.Len())))
	}
	return nil
}

// classWeights returns the weights of a model's outputs; nil if all are equal. Classes without images and
// outputs without a class have 1.
func classWeights(l configs.Loss, ds data.Dataset, outputs int) ([]float32, error) {
	if l.ClassWeights.None() {
		return nil, nil
	}
	names := ds.Classes()
	var values []float64
	switch w := l.ClassWeights; {
	case w.Rule != "":
		counts, err := data.CountClasses(ds)
		if err != nil {
			return nil, err
		}
		if data.IsMultiLabel(ds) {
			values, err = labelWeights(l, counts, ds.Len())
		} else {
			values, err = ruleWeights(l, counts)
		}
		if err != nil {
			return nil, err
		}
	case w.ByName != nil:
		values = slices.Repeat([]float64{1}, len(names))
		for _, name := range slices.Sorted(maps.Keys(w.ByName)) {
			at := classes.Index(names, name)
			if at < 0 {
				return nil, fmt.Errorf("there is no class %q%s", name, classes.Suggest(names, name))
			}
			values[at] = w.ByName[name]
		}
	case len(w.Values) != len(names):
		return nil, fmt.Errorf("want %d numbers, one for each class of the data set, got %d", len(names), len(w.Values))
	default:
		values = w.Values
	}
	weights := make([]float32, max(outputs, len(values)))
	for k := range weights {
		weights[k] = 1
		if k < len(values) {
			weights[k] = float32(values[k])
		}
	}
	return weights[:outputs], nil
}

// ruleWeights returns the weights of classes by a rule, from their numbers of training images. Their mean over
// the images is 1, so the learning rate keeps its meaning.
func ruleWeights(l configs.Loss, counts []int) ([]float64, error) {
	weights := make([]float64, len(counts))
	images, sum := 0.0, 0.0
	for k, n := range counts {
		if n == 0 {
			continue
		}
		var err error
		if weights[k], err = inverse(l, float64(n)); err != nil {
			return nil, err
		}
		images += float64(n)
		sum += float64(n) * weights[k]
	}
	for k, n := range counts {
		if n == 0 {
			weights[k] = 1
			continue
		}
		weights[k] *= images / sum
	}
	return weights, nil
}

// labelWeights returns the weights of positive labels by a rule, for images with any number of labels: the rule's
// weight of the images without the label, divided by the weight of those with it. With balanced weights both
// count the same in the loss.
func labelWeights(l configs.Loss, counts []int, images int) ([]float64, error) {
	weights := make([]float64, len(counts))
	for k, n := range counts {
		if n == 0 {
			weights[k] = 1
			continue
		}
		with, err := inverse(l, float64(n))
		if err != nil {
			return nil, err
		}
		without, err := inverse(l, float64(max(images-n, 1)))
		if err != nil {
			return nil, err
		}
		weights[k] = with / without
	}
	return weights, nil
}

// inverse returns the value that the weight of a class with n images is inversely proportional to.
func inverse(l configs.Loss, n float64) (float64, error) {
	switch rule := l.ClassWeights.Rule; rule {
	case configs.BalancedWeights:
		return 1 / n, nil
	case configs.SqrtWeights:
		return 1 / math.Sqrt(n), nil
	case configs.EffectiveWeights:
		return 1 / effectiveNumber(l.EffectiveBeta, n), nil
	default:
		return 0, fmt.Errorf("unknown rule %q", rule)
	}
}

// effectiveNumber returns the effective number of n images of a class: each further image shows less that is new
// (Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", 2019).
func effectiveNumber(beta, n float64) float64 {
	if beta == 0 {
		return 1
	}
	return -math.Expm1(n*math.Log(beta)) / (1 - beta)
}

// describeBalance says how uneven classes are balanced; "" if they are not.
func describeBalance(c *configs.Config, l ops.Loss, ds data.Dataset) string {
	text := ""
	if s := c.Data.Sampling; s != configs.InstanceSampling {
		text = fmt.Sprintf("; %s sampling, %d draws an epoch", s, ds.Len())
	}
	if n := min(len(l.Weights), len(ds.Classes())); n > 0 {
		least, most := 0, 0
		for k, w := range l.Weights[:n] {
			if w < l.Weights[least] {
				least = k
			}
			if w > l.Weights[most] {
				most = k
			}
		}
		text += fmt.Sprintf("; class weights from %.3g (%s) to %.3g (%s)",
			l.Weights[least], eval.ClassName(ds.Classes(), least), l.Weights[most], eval.ClassName(ds.Classes(), most))
	}
	if c.Loss.LogitAdjustment != 0 {
		text += fmt.Sprintf("; logits adjusted by %g times the log of each class's share", c.Loss.LogitAdjustment)
	}
	return text
}

// CheckClassWeights returns an error if the weights of a configuration do not fit the classes of a data set.
func CheckClassWeights(c *configs.Config, ds data.Dataset) error {
	var l ops.Loss
	return balance(&l, c, ds, len(ds.Classes()))
}
