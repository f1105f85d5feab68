package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A run with a time limit ends like one that received SIGTERM, and can be resumed. eval --ema measures its
// averaged weights.
func TestTimeLimit(t *testing.T) {
	data := fashion(t, 80, 20)
	dir, args := tinyRun(t, data)
	args = append(args, "--set", "ema.decay=0.8", "--resume")
	r := invoke(t, append(args, "--max-hours", "1e-9")...)
	if r.code != 143 || !strings.Contains(r.stderr, "stopped by the time limit in epoch 1 after step 2") {
		t.Fatalf("%+v", r)
	}
	want := succeed(t, append(args, "--max-hours", "1")...)
	if want["ema"] != true {
		t.Errorf("outcome %v", want)
	}
	got := succeed(t, "eval", "--model", dir, "--data", data, "--ema")
	if got["top1"] != want["top1"] {
		t.Errorf("eval --ema finds %v, the run %v", got, want)
	}
	fail(t, 2, "--max-hours: want a number of hours", append(args, "--max-hours", "-1")...)
	_, args = tinyRun(t, data)
	invoke(t, append(args, "--max-hours", "1e-9")...)
	fail(t, 1, "the run began without ema.decay", append(args, "--resume", "--set", "ema.decay=0.8")...)
}

// A learning-rate search leaves nothing but its drawing.
func TestLRFind(t *testing.T) {
	data := fashion(t, 160, 20)
	dir, _ := tinyRun(t, data)
	config, svg := writeConfig(t, tiny), filepath.Join(t.TempDir(), "lr.svg")
	found := succeed(t, "lr-find", config, "--data", data, "--steps", "200", "--min", "1e-5", "--out", svg)
	if lr, ok := found["suggestion"].(float64); !ok || lr < 1e-5 || lr > found["lowest"].(float64) {
		t.Errorf("found %v", found)
	}
	if _, err := os.Stat(svg); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the search left a run")
	}
	none := filepath.Join(t.TempDir(), "none.svg")
	fail(t, 1, "no learning rate from 1e-09 to 1e-08",
		"lr-find", config, "--data", data, "--steps", "30", "--min", "1e-9", "--max", "1e-8", "--out", none)
	if text, err := os.ReadFile(none); err != nil || !strings.Contains(string(text), "No learning rate found") {
		t.Errorf("the drawing of a search that found none: %v", err)
	}
	fail(t, 2, "--min, --max, --steps: 5 steps: want 20 or more", "lr-find", config, "--data", data, "--steps", "5")
	fail(t, 2, "learning rates from 1 to 0.1", "lr-find", config, "--data", data, "--min", "1", "--max", "0.1")
	fail(t, 1, "lr.svg", "lr-find", config, "--data", data, "--out", filepath.Join(t.TempDir(), "no", "lr.svg"))
}

// A teacher and a pattern that do not fit are found before a folder is made.
func TestBadRecipe(t *testing.T) {
	dir, args := tinyRun(t, fashion(t, 24, 8))
	for _, c := range []struct {
		want     string
		settings []string
	}{
		{"distill.teacher: ", []string{"distill.type=soft", "distill.teacher=no/such/run"}},
		{`matches "body.*"`, []string{`train.frozen=["body.*"]`}},
		{"no parameter is left", []string{`train.frozen=["*"]`}},
		{"train.frozen_stages:", []string{"train.frozen_stages=3"}},
	} {
		t.Run(c.want, func(t *testing.T) {
			call := args
			for _, s := range c.settings {
				call = append(call, "--set", s)
			}
			code := 1
			if strings.HasSuffix(c.want, "stages:") {
				code = 2
			}
			fail(t, code, c.want, call...)
		})
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a folder was made")
	}
}
