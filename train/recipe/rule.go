package recipe

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"fasternet/configs"
)

// rule chooses the values of some keys.
type rule struct {
	name   string
	keys   []string // keys that it may set
	reason string   // paragraphs for docs/defaults.md: what it does and why
	apply  func(d *draft) error
	partly bool // its choices are complete only with the choices of the next rule
}

// rules lists all rules in order. Later ones see what earlier ones have chosen.
func rules() []rule {
	return []rule{
		taskRule, dataRule, pixelsRule, classesRule, precisionRule, modelRule,
		regularRule, batchRule, augmentRule, mixRule, samplingRule,
		rateRule, decayRule, decoderRule, epochsRule, scheduleRule, averageRule, evaluationRule,
	}
}

// choice is a value of a key, and why.
type choice struct {
	key   string
	value any
	why   string
}

// draft is a recipe in the making.
type draft struct {
	facts    Facts
	settings []string // the user's settings, which override every rule
	choices  []choice
	config   *configs.Config // with the choices so far, and the settings
	time     func(c *configs.Config) (imagesPerSecond float64, err error)
	say      func(format string, args ...any)
	speed    float64 // images per second in training, for the chosen model
}

// given reports whether the user has set a key, or its section.
func (d *draft) given(key string) bool {
	return slices.ContainsFunc(d.settings, func(s string) bool {
		k, _, _ := strings.Cut(s, "=")
		return k == key || strings.HasPrefix(key, k+".")
	})
}

// set chooses a value, unless the user has set the key.
func (d *draft) set(key string, value any, why string, args ...any) {
	if !d.given(key) {
		d.choices = append(d.choices, choice{key, value, fmt.Sprintf(why, args...)})
	}
}

// resolve makes a configuration from the choices so far.
func (d *draft) resolve() (err error) {
	text, err := d.text()
	if err != nil {
		return err
	}
	d.config, err = configs.Parse("recipe", string(text), d.settings...)
	return err
}

// run applies the rules.
func (d *draft) run() error {
	for _, r := range rules() {
		before := len(d.choices)
		if err := r.apply(d); err != nil {
			return err
		}
		for _, c := range d.choices[before:] {
			if !slices.Contains(r.keys, c.key) {
				return fmt.Errorf("recipe: rule %q has set %s, which is not one of its keys", r.name, c.key)
			}
		}
		if r.partly {
			continue
		}
		if err := d.resolve(); err != nil {
			return err
		}
	}
	return nil
}

// round keeps two digits of a number, for people to read.
func round(v float64) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 2, 64), 64) // always valid
	return r
}

func clamp(v, low, high float64) float64 { return math.Min(math.Max(v, low), high) }

// views returns how often training shows each image, at the measured speed.
func (d *draft) views() float64 {
	return d.facts.training() * d.speed / float64(max(d.facts.Train, 1))
}
