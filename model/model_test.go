package model_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/formats"
	"fasternet/formats/torch"
	"fasternet/graph"
	"fasternet/model"
)

func small(t testing.TB, settings ...string) *configs.Config {
	t.Helper()
	c, err := configs.Load("quickstart", append(
		[]string{"model.embed_dim=8", "model.depths=[1,1]", "model.feature_dim=16"},
		settings...,
	)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func save(t testing.TB, path string, c *configs.Config, extra ...formats.Tensor) {
	t.Helper()
	net, err := model.New(c, 2)
	if err != nil {
		t.Fatal(err)
	}
	meta, err := model.Meta(c, []string{"cat", "dog"})
	if err != nil {
		t.Fatal(err)
	}
	if err := checkpoints.Write(path, checkpoints.File{
		Meta:    meta,
		Tensors: append(model.Tensors(net.Store()), extra...),
	}); err != nil {
		t.Fatal(err)
	}
}

// Load a model from the best checkpoint of a run.
func ExampleLoad() {
	_, err := model.Load(filepath.Join("runs", "quickstart"))
	fmt.Println(err != nil) // there is no such run
	// Output: true
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "checkpoints"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := small(t, "seed=5")
	save(
		t,
		filepath.Join(dir, "checkpoints", checkpoints.Last),
		c,
		formats.Tensor{Name: "optimizer.step", Shape: []int{}, I64: []int64{3}},
	)
	for _, path := range []string{
		dir, filepath.Join(dir, "checkpoints"),
		filepath.Join(dir, "checkpoints", checkpoints.Last),
	} {
		l, err := model.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := model.New(c, 2)
		if err != nil {
			t.Fatal(err)
		}
		if l.Model.Classes() != 2 || l.Classes[1] != "dog" || l.Config.Seed != 5 {
			t.Errorf("got %d classes %v, seed %d", l.Model.Classes(), l.Classes, l.Config.Seed)
		}
		for i, e := range want.Store().Entries {
			got := l.Model.Store().Entries[i]
			if e.Param != nil && fmt.Sprint(e.Param.Data()) != fmt.Sprint(got.Param.Data()) ||
				fmt.Sprint(e.Buffer) != fmt.Sprint(got.Buffer) {
				t.Errorf("%s differs", e.Name)
			}
		}
	}
	save(t, filepath.Join(dir, "checkpoints", checkpoints.Best), small(t, "seed=6"))
	if l, err := model.Load(dir); err != nil || l.Config.Seed != 6 {
		t.Errorf("the best checkpoint is not taken: %v", err)
	}
}

func TestRestoreErrors(t *testing.T) {
	c := small(t)
	net, err := model.New(c, 2)
	if err != nil {
		t.Fatal(err)
	}
	tensors := model.Tensors(net.Store())
	clone := func(change func(ts []formats.Tensor) []formats.Tensor) *checkpoints.File {
		return &checkpoints.File{Tensors: change(append([]formats.Tensor(nil), tensors...))}
	}
	first := fmt.Sprint(tensors[0].F32)
	for _, test := range []struct {
		want string
		f    *checkpoints.File
	}{
		{"which the model lacks", clone(func(ts []formats.Tensor) []formats.Tensor {
			return append(ts, formats.Tensor{Name: "extra"})
		})},
		{"the checkpoint lacks", clone(func(ts []formats.Tensor) []formats.Tensor { return ts[1:] })},
		{"has shape", clone(func(ts []formats.Tensor) []formats.Tensor {
			ts[0].F32 = make([]float32, len(ts[0].F32))
			ts[1].Shape = []int{1}
			return ts
		})},
	} {
		t.Run(test.want, func(t *testing.T) {
			if err := model.Restore(net.Store(), test.f, checkpoints.OptimizerPrefix); err == nil ||
				!strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want something with %q", err, test.want)
			}
		})
	}
	if fmt.Sprint(tensors[0].F32) != first {
		t.Error("a model was changed by a checkpoint that does not fit")
	}
}

func TestOtherWeights(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := checkpoints.Write(path, checkpoints.File{
		Tensors: []formats.Tensor{{Name: "w", Shape: []int{1}, F32: []float32{1}}},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := model.Load(path); err == nil || !strings.Contains(err.Error(), "no known weights of a FasterNet") {
		t.Errorf("weights of another network: %v", err)
	}
}

func TestClasses(t *testing.T) {
	c := small(t, "model.num_classes=3")
	if _, err := model.New(c, 5); err == nil ||
		!strings.Contains(err.Error(), "the data set has 5 classes, the model only 3") {
		t.Errorf("too few classes: %v", err)
	}
	if m, err := model.New(c, 2); err != nil || m.Classes() != 3 {
		t.Errorf("more classes than the data set: %v", err)
	}
}

// Of a checkpoint with averaged weights, Open takes them, because the run measured them, unless the user
// asks for the others. A note says which.
func TestEMA(t *testing.T) {
	c := small(t)
	path := filepath.Join(t.TempDir(), "m.safetensors")
	other, err := model.New(small(t, "seed=9"), 2)
	if err != nil {
		t.Fatal(err)
	}
	var averages []formats.Tensor
	for _, x := range model.Tensors(other.Store()) {
		if x.I64 == nil {
			x.Name = checkpoints.EMAPrefix + x.Name
			averages = append(averages, x)
		}
	}
	first := func(m graph.Model) float32 { return m.Store().Entries[0].Param.Data()[0] }
	save(t, path, c)
	plain := first(mustLoad(t, path).Model)
	save(t, path, c, averages...)
	for _, k := range []struct {
		choice torch.Choice
		want   float32
		note   string
	}{
		{
			"", first(other),
			"using the averaged weights (EMA), which the run measured; --weights plain takes the weights of the last " +
				"step",
		},
		{torch.Auto, first(other), "--weights plain takes the weights of the last step"},
		{torch.EMA, first(other), ""},
		{
			torch.Plain, plain,
			"using the weights of the last step; the run measured the averaged ones (EMA), which --weights ema takes",
		},
	} {
		var notes []string
		l, err := model.Open(path, model.LoadOptions{
			Weights: k.choice,
			Report:  func(t model.Table) { notes = t.Notes },
		})
		if err != nil {
			t.Fatal(err)
		}
		if first(l.Model) != k.want ||
			l.Average != (k.choice != torch.Plain) ||
			l.Used() != map[bool]string{true: "ema", false: "plain"}[l.Average] {
			t.Errorf("%q: got %v, want %v", k.choice, first(l.Model), k.want)
		}
		if got := strings.Join(notes, "; "); !strings.Contains(got, k.note) || (got == "") != (k.note == "") {
			t.Errorf("%q: notes %q, want %q", k.choice, got, k.note)
		}
	}
	for _, k := range []struct {
		averages []formats.Tensor
		choice   torch.Choice
		want     string
	}{
		{nil, torch.EMA, "no averaged weights (--weights ema): only a run with ema.decay has them"},
		{averages[:2], torch.Auto, "averaged weights are incomplete"},
	} {
		save(t, path, c, k.averages...)
		if _, err := model.Open(path, model.LoadOptions{Weights: k.choice}); err == nil ||
			!strings.Contains(err.Error(), k.want) {
			t.Errorf("%d averages: %v, want %q", len(k.averages), err, k.want)
		}
	}
	// A model made from averaged weights has no others.
	meta, err := model.Meta(c, []string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	meta[model.UsedKey] = "ema"
	if err := checkpoints.Write(path, checkpoints.File{Meta: meta, Tensors: model.Tensors(other.Store())}); err != nil {
		t.Fatal(err)
	}
	if l := mustLoad(t, path); !l.Average {
		t.Error("an export of averaged weights does not say so")
	}
	if _, err := model.Open(path, model.LoadOptions{Weights: torch.Plain}); err == nil ||
		!strings.Contains(err.Error(), "has no others (--weights plain)") {
		t.Errorf("plain weights of an export of averaged ones: %v", err)
	}
}
