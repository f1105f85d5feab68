package configs_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
)

// Every key with a number has a limit, or allows only few values.
func TestLimitsAreComplete(t *testing.T) {
	exact := []string{"model.in_chans"}
	seen := map[string]bool{}
	for _, l := range configs.Limits() {
		seen[l.Key] = true
		if l.Most == 0 && !slices.Contains(exact, l.Key) {
			t.Errorf("%s has no limit", l.Key)
		}
	}
	for _, key := range configs.LimitTable() {
		if !seen[key] {
			t.Errorf("there is no key %s", key)
		}
	}
}

// Every limit is checked, in a file and in text that came with a model, and the error names the place.
func TestLimits(t *testing.T) {
	for _, l := range configs.Limits() {
		if l.Most == 0 {
			continue
		}
		family, task := "fasternet", "classify"
		if l.Family != "" {
			family = l.Family
		}
		if strings.HasPrefix(l.Key, "mim.") {
			family, task = "vit", "localmim"
		}
		value := fmt.Sprint(l.Most + 1)
		list := map[string]string{"model.depths": "[1, %s]", "mim.taps": "[1, %s]", "sched.milestones": "[%s]"}[l.Key]
		if list != "" {
			value = fmt.Sprintf(list, value)
		}
		_, err := configs.Parse("metadata", "task: "+task+"\nmodel:\n  name: "+family+"\n", l.Key+"="+value)
		want := fmt.Sprintf("--set %s=%s: %s: want %d or less, got %d", l.Key, value, l.Key, l.Most, l.Most+1)
		if err == nil || err.Error() != want {
			t.Errorf("%s of %s: %v, want %s", l.Key, family, err, want)
		}
	}
	for _, c := range []struct{ name, text, want string }{
		{"a file", "data:\n  workers: 100000\n", "metadata:2: data.workers: want 1024 or less, got 100000"},
		{"a negative one", "data:\n  workers: -1\n", "metadata:2: data.workers: want 0 or more, got -1"},
		{
			"stages",
			"model:\n  depths: [1, 1, 1, 1, 1, 1, 1, 1, 1]\n",
			"metadata:2: model.depths: want 8 values or fewer, got 9",
		},
		{
			"a list",
			"sched:\n  milestones: [" + strings.Repeat("1, ", 1000) + "1]\n",
			"metadata:2: sched.milestones: want 1000 values or fewer, got 1001",
		},
		{
			"a path",
			"data:\n  dir: " + strings.Repeat("x", 4097) + "\n",
			"metadata:2: data.dir: want a text of 4096 bytes or less, got 4097",
		},
		{
			"channels of the last stage", "model:\n  embed_dim: 40000\n",
			"metadata:2: model.embed_dim: 40000 channels double to 320000 in the last of 4 stages: " +
				"want 65536 or less there",
		},
		{
			"many large images",
			"train:\n  batch_size: 65536\ndata:\n  image_size: 8192\n",
			"metadata:2: train.batch_size: a layer would have ",
		},
		{
			"many tokens",
			"model:\n  name: vit\n  patch_size: 1\ndata:\n  image_size: 8192\n",
			"metadata:2: train.batch_size: a layer would have ",
		},
	} {
		_, err := configs.Parse("metadata", c.text)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

// config show and docs/reference/hostile-input.md name the limits.
func TestLimitsAreDocumented(t *testing.T) {
	c, err := configs.Load("mim_swin_base")
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.Commented()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"goroutines that load images; 0: one per processor; at most 1024\n",
		" # epochs to train; at most 1000000\n",
		"depths: [2, 2, 18, 2] # blocks of each stage; at most 1024\n",
		" # hog: orientations of a histogram; at most 1024\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
	page, err := os.ReadFile("../docs/reference/hostile-input.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range configs.Limits() {
		row := fmt.Sprintf("| `%s` | %s |", l.Key, thousands(l.Most))
		if l.Family != "" && !strings.Contains(string(page), "| `"+l.Key+"` |") {
			continue // config show tells the limits of all families; the page has a row for some
		}
		if l.Most > 0 && !strings.Contains(string(page), row) {
			t.Errorf("docs/reference/hostile-input.md has no row %s", row)
		}
	}
}

// thousands formats a number with commas between thousands.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
