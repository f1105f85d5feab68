package configs_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
)

// load writes a file that starts from a preset, and loads it.
func load(t *testing.T, text string, settings ...string) (*configs.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(path, []byte("base: quickstart\n"+text), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := configs.Load(path, settings...)
	if err != nil {
		err = &shortError{strings.ReplaceAll(err.Error(), filepath.Dir(path)+string(filepath.Separator), "")}
	}
	return c, err
}

type shortError struct{ text string }

func (e *shortError) Error() string { return e.text }

func TestClassWeights(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       configs.ClassWeights
	}{
		{"none", "", configs.ClassWeights{Rule: "none"}},
		{"null", "loss: {class_weights: }", configs.ClassWeights{Rule: "none"}},
		{"a rule", "loss: {class_weights: balanced}", configs.ClassWeights{Rule: "balanced"}},
		{"a list", "loss:\n  class_weights: [1, 2.5, 0]", configs.ClassWeights{Values: []float64{1, 2.5, 0}}},
		{
			"names",
			"loss:\n  class_weights:\n    Ankle boot: 2\n    \"3\": 0.5",
			configs.ClassWeights{ByName: map[string]float64{"Ankle boot": 2, "3": 0.5}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := load(t, c.text)
			if err != nil {
				t.Fatal(err)
			}
			same := func(w *configs.ClassWeights) bool {
				return w.Rule == c.want.Rule &&
					slices.Equal(w.Values, c.want.Values) &&
					maps.Equal(w.ByName, c.want.ByName)
			}
			if !same(got.Loss.ClassWeights) {
				t.Errorf("got %+v, want %+v", got.Loss.ClassWeights, c.want)
			}
			// It can be written and read again, also with comments.
			plain, err := got.YAML()
			if err != nil {
				t.Fatal(err)
			}
			commented, err := got.Commented()
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{string(plain), string(commented)} {
				if again, err := configs.Parse("again", text); err != nil || !same(again.Loss.ClassWeights) {
					t.Errorf("%v of\n%s", err, text)
				}
			}
		})
	}
	got, err := load(t, "loss: {class_weights: [1, 2]}", "loss.class_weights=sqrt")
	if err != nil || got.Loss.ClassWeights.Rule != "sqrt" {
		t.Errorf("%v, %v: want sqrt by the setting", got, err)
	}
}

// Impossible values are refused, with their place in the file.
func TestImbalanceErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{
			"sampling", "data:\n  sampling: class",
			`mine.yaml:3: data.sampling: want instance or sqrt or balanced, got "class"`,
		},
		{
			"a rule", "loss:\n  class_weights: ballanced",
			"mine.yaml:3: loss.class_weights: want none or balanced or sqrt or effective, " +
				`got "ballanced", did you mean balanced?`,
		},
		{
			"a number", "loss:\n  class_weights: 2",
			"mine.yaml:3: loss.class_weights: want none, balanced, sqrt, effective, " +
				"a list of numbers or a number for each class name, got \"2\"",
		},
		{
			"words", "loss:\n  class_weights: [1, two]",
			"mine.yaml:3: loss.class_weights: want none, balanced, sqrt, effective, " +
				"a list of numbers or a number for each class name: want numbers",
		},
		{"a class twice", "loss:\n  class_weights: {cat: 1, cat: 2}", `want a number for class "cat"`},
		{
			"negative", "loss:\n  class_weights: {cat: 1, dog: -0.5}",
			`mine.yaml:3: loss.class_weights: want a number from 0 to 1e+06 for class "dog", got -0.5`,
		},
		{
			"not a number", "loss:\n  class_weights: [1, .nan]",
			"mine.yaml:3: loss.class_weights: want a number from 0 to 1e+06 for class 1, got NaN",
		},
		{
			"infinite", "loss:\n  class_weights: [.inf, 1]",
			"mine.yaml:3: loss.class_weights: want a number from 0 to 1e+06 for class 0, got +Inf",
		},
		{
			"an empty list", "loss:\n  class_weights: []",
			"mine.yaml:3: loss.class_weights: want a weight for each class, or none; got no weights",
		},
		{
			"an empty mapping", "loss:\n  class_weights: {}",
			"mine.yaml:3: loss.class_weights: want a weight for each class, or none; got no weights",
		},
		{"zeros", "loss:\n  class_weights: [0, 0]", "mine.yaml:3: loss.class_weights: all weights are 0"},
		{
			"beta",
			"loss: {class_weights: effective, effective_beta: 1}",
			"mine.yaml:2: loss.effective_beta: want a number from 0 to below 1",
		},
		{
			"beta of another rule",
			"loss: {class_weights: sqrt, effective_beta: 0.9}",
			"mine.yaml:2: loss.effective_beta: needs loss.class_weights effective, got sqrt",
		},
		{"gamma of another loss", "loss: {gamma: 3}", "mine.yaml:2: loss.gamma: needs loss.name focal, got ce"},
		{
			"adjusted bce", "loss: {name: bce, logit_adjustment: 1}",
			"mine.yaml:2: loss.logit_adjustment: needs loss.name ce and focal, got bce",
		},
		{
			"adjusted and sampled",
			"data: {sampling: balanced}\nloss: {logit_adjustment: 1}",
			"mine.yaml:3: loss.logit_adjustment: data.sampling balanced already balances the classes",
		},
		{
			"pre-training, sampled",
			"base: mim_quickstart\ndata: {sampling: sqrt}",
			"mine.yaml:3: data.sampling: pre-training uses no labels: want instance, got sqrt",
		},
		{
			"pre-training, weighted",
			"base: mim_quickstart\nloss: {class_weights: balanced}",
			"mine.yaml:3: loss.class_weights: pre-training has no classes: want none, got balanced",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if strings.HasPrefix(c.text, "base") {
				path := filepath.Join(t.TempDir(), "mine.yaml")
				if err := os.WriteFile(path, []byte("# of a pre-training\n"+c.text), 0o644); err != nil {
					t.Fatal(err)
				}
				if _, err := configs.Load(path); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
				return
			}
			if _, err := load(t, c.text); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	c, err := load(t, "data: {sampling: balanced}\nloss: {class_weights: balanced}")
	if err != nil ||
		!slices.ContainsFunc(c.Notes, func(n string) bool {
			return strings.Contains(n, "usually you want only one")
		}) {
		t.Errorf("%v, notes %v", err, c.Notes)
	}
}
