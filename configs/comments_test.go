package configs_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"fasternet/configs"
)

// A configuration with comments has the same values, and explains its keys and sections.
func TestCommented(t *testing.T) {
	for _, name := range []string{"fasternet_t0", "vit_tiny", "mim_quickstart"} {
		c, err := configs.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := c.Commented()
		if err != nil {
			t.Fatal(err)
		}
		again, err := configs.Parse("commented.yaml", string(text))
		if err != nil {
			t.Fatal(err)
		}
		want, err := c.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := again.YAML(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: with comments it reads as\n%s", name, got)
		}
		lines := strings.Split(string(text), "\n")
		for _, line := range lines {
			if strings.HasPrefix(strings.TrimSpace(line), "#") && utf8.RuneCountInString(line) > 110 {
				t.Errorf("%s: a long comment: %s", name, line)
			}
		}
		for _, want := range []string{
			"  decay: 0 # per step, e.g. 0.9998; 0: no average",
			"# Optim is the optimizer.", "  betas: [0.9, 0.9",
		} {
			if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, want) }) {
				t.Errorf("%s: no line begins with %q:\n%s", name, want, text)
			}
		}
	}
}
