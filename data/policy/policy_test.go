package policy_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"fasternet/data/policy"
)

func ExampleParse() {
	p, err := policy.Parse("rand-m9-mstd0.5-inc1")
	fmt.Println(p.Magnitude, p.Ops, p.Std, p.Max, p.Prob, p.Increasing, err)
	_, err = policy.Parse("rand-m9-mstd0.5-inc1-p1.5")
	fmt.Println(err)
	// Output:
	// 9 2 0.5 10 0.5 true <nil>
	// policy "rand-m9-mstd0.5-inc1-p1.5": section "p1.5": want a probability from 0 to 1, got "1.5"
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text   string
		change func(*policy.RandAugment)
	}{
		{"rand", func(*policy.RandAugment) {}},
		{"rand-m7-mstd0.5-inc1", func(p *policy.RandAugment) { p.Magnitude, p.Std, p.Increasing = 7, 0.5, true }},
		{
			"rand-inc0-n3-mmax15-m12",
			func(p *policy.RandAugment) { p.Increasing, p.Ops, p.Max, p.Magnitude = true, 3, 15, 12 },
		},
		{"rand-mstd101-p0.25", func(p *policy.RandAugment) { p.Std, p.Prob = math.Inf(1), 0.25 }},
		{"rand-mstd100-p.5-w0-n13", func(p *policy.RandAugment) { p.Std, p.Weighted, p.Ops = 100, true, 13 }},
		{"rand-m0-mmax0-p0-mstd0.0", func(p *policy.RandAugment) { p.Magnitude, p.Max, p.Prob = 0, 0, 0 }},
	} {
		t.Run(c.text, func(t *testing.T) {
			want := policy.Default()
			c.change(&want)
			if got, err := policy.Parse(c.text); err != nil || got != want {
				t.Errorf("%s: %+v, %v; want %+v", c.text, got, err, want)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "want rand and sections"},
		{"random-m9", "want rand and sections"},
		{"original-mstd0.5", "original is not a RandAugment policy"},
		{"rand-", "unknown; there are m ("},
		{"rand-m", `section "m": want an integer from 0 to 100, got ""`},
		{"rand-m9.5", `got "9.5"`},
		{"rand-m101", `got "101"`},
		{"rand-m99999999999", `got "99999999999"`},
		{"rand-m-1", `section "m"`},
		{"rand-n0", "want an integer from 1"},
		{"rand-x3", `section "x3": unknown`},
		{"rand-m9-m8", "section m occurs twice"},
		{"rand-mstd", `want a number of 0 or more, got ""`},
		{"rand-mstd1e999", "want a number of 0 or more"},
		{"rand-mstd0x1p4", "want a number of 0 or more"},
		{"rand-mstdNaN", "unknown"},
		{"rand-p1.01", "want a probability from 0 to 1"},
		{"rand-inc", `section "inc": want an integer`},
		{"rand-w1", "want w0"},
		{"rand-n14-w0", "want n13 or less"},
		{"rand-t3a", "other sets of operations"},
		{"rand-m9 -inc1", `got "9 "`},
		{"rand_m9", "want rand and sections"},
		{"rand-mstd0.5-p\xff", "unknown"},
	} {
		t.Run(c.text, func(t *testing.T) {
			if _, err := policy.Parse(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q: %v, want %q", c.text, err, c.want)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	good := policy.Default()
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		name   string
		change func(*policy.RandAugment)
	}{
		{"Ops", func(p *policy.RandAugment) { p.Ops = 0 }},
		{"Prob", func(p *policy.RandAugment) { p.Prob = 2 }},
		{"NaN", func(p *policy.RandAugment) { p.Prob = math.NaN() }},
		{"Magnitude", func(p *policy.RandAugment) { p.Magnitude = -1 }},
		{"Std", func(p *policy.RandAugment) { p.Std = -1 }},
		{"NaN Std", func(p *policy.RandAugment) { p.Std = math.NaN() }},
		{"large Std", func(p *policy.RandAugment) { p.Std = 200 }},
		{"Max", func(p *policy.RandAugment) { p.Max = 1000 }},
		{"weighted", func(p *policy.RandAugment) { p.Ops, p.Weighted = 14, true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := good
			c.change(&p)
			if p.Validate() == nil {
				t.Errorf("%s: %+v is valid", c.name, p)
			}
		})
	}
}

// No text makes the reader panic. A policy that it accepts can be written and read again.
func FuzzParse(f *testing.F) {
	texts := []string{
		"rand", "rand-m9-mstd0.5-inc1", "rand-m15-n3-mmax20-p0.3-w0", "rand-mstd1e300",
		"rand--m9", "rand-m\x009", "original", "rand-p1e-5",
	}
	for _, text := range texts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := policy.Parse(text)
		if err != nil {
			if !strings.Contains(err.Error(), fmt.Sprintf("%q", text)) {
				t.Errorf("the error does not name the policy: %v", err)
			}
			return
		}
		if again, err := policy.Parse(p.String()); err != nil || again != p {
			t.Errorf("%q is %+v, written as %s it is %+v (%v)", text, p, p, again, err)
		}
		if err := p.Validate(); err != nil {
			t.Error(err)
		}
	})
}
