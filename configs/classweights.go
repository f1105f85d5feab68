package configs

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"gopkg.in/yaml.v3"
)

// The rules of [ClassWeights].
const (
	NoWeights        = "none"
	BalancedWeights  = "balanced"
	SqrtWeights      = "sqrt"
	EffectiveWeights = "effective"
)

// weightRules lists the words that loss.class_weights can be.
var weightRules = []string{NoWeights, BalancedWeights, SqrtWeights, EffectiveWeights}

// ClassWeights say how much each class counts in a loss: by a rule, or by numbers. Nil means the rule none.
type ClassWeights struct {
	Rule   string             // none, balanced, sqrt or effective; "" for numbers
	Values []float64          // one per class, in the order of the classes
	ByName map[string]float64 // by class name; other classes have 1
}

// None reports whether all classes count the same.
func (w *ClassWeights) None() bool { return w == nil || w.Rule == NoWeights }

// Words describes the weights for a message.
func (w *ClassWeights) Words() string {
	switch {
	case w.None():
		return NoWeights
	case w.Rule != "":
		return w.Rule
	}
	return "numbers"
}

// String returns the weights as a text: equal weights give equal texts.
func (w *ClassWeights) String() string {
	switch {
	case w.None():
		return NoWeights
	case w.Rule != "":
		return w.Rule
	case w.ByName != nil:
		return fmt.Sprint(w.ByName)
	}
	return fmt.Sprint(w.Values)
}

// MarshalYAML implements yaml.Marshaler.
func (w *ClassWeights) MarshalYAML() (any, error) {
	switch {
	case w.None():
		return NoWeights, nil
	case w.Rule != "":
		return w.Rule, nil
	case w.ByName != nil:
		return w.ByName, nil
	}
	var n yaml.Node
	err := n.Encode(w.Values)
	n.Style = yaml.FlowStyle
	return &n, err
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (w *ClassWeights) UnmarshalYAML(n *yaml.Node) error {
	*w = ClassWeights{}
	switch n.Kind {
	case yaml.SequenceNode:
		if w.Values = []float64{}; !fitsNumbers(n.Content) {
			return fmt.Errorf("want numbers")
		}
		return n.Decode(&w.Values)
	case yaml.MappingNode:
		w.ByName = map[string]float64{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			name, value := n.Content[i].Value, n.Content[i+1]
			if _, twice := w.ByName[name]; twice || !fitsNumbers(n.Content[i+1:i+2]) {
				return fmt.Errorf("want a number for class %q", name)
			}
			var v float64
			if err := value.Decode(&v); err != nil {
				return err
			}
			w.ByName[name] = v
		}
		return nil
	}
	return n.Decode(&w.Rule)
}

func fitsNumbers(nodes []*yaml.Node) bool {
	return !slices.ContainsFunc(nodes, func(n *yaml.Node) bool {
		return n.ShortTag() != "!!int" && n.ShortTag() != "!!float"
	})
}

// classWeights reads loss.class_weights.
func (l *loader) classWeights(key string, n *yaml.Node, where string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	const want = "want none, balanced, sqrt, effective, a list of numbers or a number for each class name"
	w := &ClassWeights{Rule: NoWeights}
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!null" {
		if n.Kind == yaml.ScalarNode && n.ShortTag() != "!!str" {
			l.report(where, key, want+", got %s", describe(n))
			return
		}
		if err := w.UnmarshalYAML(n); err != nil {
			l.report(where, key, want+": %v", err)
			return
		}
	}
	l.config.Loss.ClassWeights = w
	l.origin[key] = where
}

// check refuses unknown rules and impossible weights.
func (w *ClassWeights) check(key string) *problem {
	switch {
	case w == nil:
		return nil
	case w.Rule != "":
		return oneOf(key, w.Rule, weightRules...)
	case w.ByName == nil && len(w.Values) == 0, w.ByName != nil && len(w.ByName) == 0:
		return wrong(key, "want a weight for each class, or none; got no weights")
	case len(w.Values) > MostClasses, len(w.ByName) > MostClasses:
		return wrong(key, "want %d weights or fewer, got %d", MostClasses, max(len(w.Values), len(w.ByName)))
	}
	for i, v := range w.Values {
		if p := checkWeight(key, fmt.Sprintf("class %d", i), v); p != nil {
			return p
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.ByName)) {
		if p := checkWeight(key, fmt.Sprintf("class %q", name), w.ByName[name]); p != nil {
			return p
		}
	}
	if len(w.Values) > 0 && slices.Max(w.Values) == 0 {
		return wrong(key, "all weights are 0: nothing would be learned")
	}
	return nil
}

// mostWeight keeps the loss in the range of float32.
const mostWeight = 1e6

func checkWeight(key, class string, v float64) *problem {
	if math.IsNaN(v) || v < 0 || v > mostWeight {
		return wrong(key, "want a number from 0 to %g for %s, got %v", float64(mostWeight), class, v)
	}
	return nil
}
