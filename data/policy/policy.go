package policy

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// RandAugment is a policy (Cubuk et al., "RandAugment: Practical automated data
// augmentation with a reduced search space", 2020), with the options of timm.
type RandAugment struct {
	Magnitude  int     // m: on a scale from 0 to 10
	Ops        int     // n: operations for each image
	Std        float64 // mstd: standard deviation of the magnitude; +Inf for uniform from 0 to Magnitude
	Max        int     // mmax: largest magnitude, whatever the deviation
	Prob       float64 // p: probability that a drawn operation is applied
	Increasing bool    // inc: all operations grow stronger with the magnitude
	Weighted   bool    // w0: geometric operations are likelier, none is drawn twice
}

// Default returns the policy of the string "rand".
func Default() RandAugment {
	return RandAugment{Magnitude: 10, Ops: 2, Max: 10, Prob: 0.5}
}

// Limits of what a string may ask for. Weighted operations are drawn without replacement, and
// 13 operations have a weight above 0.
const (
	maxMagnitude = 100
	maxOps       = 100
	maxWeighted  = 13
)

// uniformAbove is timm's limit: with a larger deviation the magnitude is drawn uniformly.
const uniformAbove = 100

// sections lists the sections of a policy, for messages.
const sections = "m (magnitude), n (operations of an image), mstd (deviation of the magnitude), " +
	"mmax (largest magnitude), p (probability of each), inc1 (increasing operations), w0 (weights)"

// Parse reads a string: "rand", then sections, each with a hyphen, a name and a number. An
// error says which section is wrong, and how. A section without a number and a section that
// comes twice are errors; timm ignores the first and takes the last of the second.
func Parse(text string) (RandAugment, error) {
	p := Default()
	parts := strings.Split(text, "-")
	switch parts[0] {
	case "rand":
	case "original", "originalr", "v0", "v0r", "3a", "augmix":
		return p, fmt.Errorf("policy %q: %s is not a RandAugment policy: want rand-m9-mstd0.5-inc1, for example",
			text, parts[0])
	default:
		return p, fmt.Errorf("policy %q: want rand and sections, as in rand-m9-mstd0.5-inc1", text)
	}
	seen := map[string]bool{}
	for _, s := range parts[1:] {
		name, value := split(s)
		if seen[name] {
			return p, fmt.Errorf("policy %q: section %s occurs twice", text, name)
		}
		seen[name] = true
		if err := p.set(name, value); err != nil {
			return p, fmt.Errorf("policy %q: section %q: %w", text, s, err)
		}
	}
	if p.Weighted && p.Ops > maxWeighted {
		return p, fmt.Errorf("policy %q: w0 draws no operation twice and has %d: want n%d or less",
			text, maxWeighted, maxWeighted)
	}
	return p, nil
}

// split cuts a section where its number begins.
func split(s string) (name, value string) {
	i := strings.IndexAny(s, "0123456789.")
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i:]
}

func (p *RandAugment) set(name, value string) (err error) {
	switch name {
	case "m":
		p.Magnitude, err = integer(value, 0, maxMagnitude)
	case "n":
		p.Ops, err = integer(value, 1, maxOps)
	case "mmax":
		p.Max, err = integer(value, 0, maxMagnitude)
	case "mstd":
		if p.Std, err = number(value, math.MaxFloat64); err == nil && p.Std > uniformAbove {
			p.Std = math.Inf(1)
		}
	case "p":
		p.Prob, err = number(value, 1)
	case "inc":
		p.Increasing = true // with inc0 too, as in timm
		_, err = integer(value, 0, math.MaxInt32)
	case "w":
		p.Weighted = true
		if _, e := integer(value, 0, 0); e != nil {
			err = fmt.Errorf("want w0, the only set of weights")
		}
	case "t":
		err = fmt.Errorf("other sets of operations are not supported: leave it out, or use inc1 or w0")
	default:
		err = fmt.Errorf("unknown; there are %s", sections)
	}
	return err
}

func integer(text string, lo, hi int) (int, error) {
	v, err := strconv.Atoi(text)
	if err != nil || v < lo || v > hi {
		return lo, fmt.Errorf("want an integer from %d to %d, got %q", lo, hi, text)
	}
	return v, nil
}

func number(text string, hi float64) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.ContainsAny(text, "xX_") || !(v >= 0 && v <= hi) {
		if hi == 1 {
			return 0, fmt.Errorf("want a probability from 0 to 1, got %q", text)
		}
		return 0, fmt.Errorf("want a number of 0 or more, got %q", text)
	}
	return v, nil
}

// String returns the policy as a string that Parse reads.
func (p RandAugment) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "rand-m%d-n%d", p.Magnitude, p.Ops)
	if p.Std > 0 {
		fmt.Fprintf(&b, "-mstd%s", decimal(min(p.Std, 10*uniformAbove)))
	}
	if p.Max != 10 {
		fmt.Fprintf(&b, "-mmax%d", p.Max)
	}
	if p.Prob != 0.5 {
		fmt.Fprintf(&b, "-p%s", decimal(p.Prob))
	}
	if p.Increasing {
		b.WriteString("-inc1")
	}
	if p.Weighted {
		b.WriteString("-w0")
	}
	return b.String()
}

// decimal formats without an exponent, whose minus sign would begin a section.
func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// Validate returns an error unless Parse could return these values.
func (p RandAugment) Validate() error {
	again, err := Parse(p.String())
	if err == nil && again != p {
		err = fmt.Errorf("policy %s: Std is %v; want a number of 0 to %d, or +Inf", p, p.Std, uniformAbove)
	}
	return err
}
