// Package families tests what every family of models in the repository must have. It tests a new
// family as soon as it has its line in graph/families.
package families

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/export/onnxgraph"
	"fasternet/graph"
	_ "fasternet/graph/families"
	"fasternet/layers"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
)

// Every folder of package graph with a family is in the table.
func TestFamiliesAreRegistered(t *testing.T) {
	table, err := os.ReadFile("../../graph/families/families.go")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../../graph/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	has := regexp.MustCompile(`(?m)^func Family\(\) graph\.Family`)
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !has.Match(text) {
			continue
		}
		found++
		name := filepath.Base(filepath.Dir(file))
		if !strings.Contains(string(table), "graph.Register("+name+".Family())") {
			t.Errorf("graph/%s has a family, and no line in graph/families/families.go", name)
		}
	}
	if found < 3 || found > len(configs.FamilyNames()) {
		t.Errorf("%d families are found, %d are registered", found, len(configs.FamilyNames()))
	}
}

// smallest returns the preset of a family with the fewest parameters, or a configuration that only
// names the family.
func smallest(t *testing.T, family string) *configs.Config {
	t.Helper()
	best, err := configs.Parse("c.yaml", "model: {name: "+family+"}")
	if err != nil {
		t.Fatalf("the defaults of the family: %v", err)
	}
	parameters := func(c *configs.Config) int {
		n, err := graph.Parameters(c.Model, c.Data.ImageSize, false)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, name := range configs.Presets() {
		c, err := configs.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if c.Model.Name == family && c.Task == "classify" && parameters(c) < parameters(best) {
			best = c
		}
	}
	best.Model.NumClasses = 10
	return best
}

func TestFamilies(t *testing.T) {
	for _, family := range configs.FamilyNames() {
		t.Run(family, func(t *testing.T) {
			t.Parallel()
			c := smallest(t, family)
			size := c.Data.ImageSize
			m, err := graph.New(c.Model, size, 1)
			if err != nil {
				t.Fatal(err)
			}
			recorded, err := graph.Record(m, size, size)
			if err != nil {
				t.Fatal(err)
			}
			checkSection(t, c)
			checkParameters(t, m, recorded)
			checkLayers(t, c, m, recorded)
			checkForward(t, c, m)
			checkONNX(t, m, size)
		})
	}
}

// checkSection checks that everything that depends on the size of images is known before a model is made.
func checkSection(t *testing.T, c *configs.Config) {
	t.Helper()
	if _, ok := c.Model.Arch.(configs.ImageChecker); !ok {
		t.Error("its section is not a configs.ImageChecker: images that are too small are found when the model is made")
	} else if c.Model.CheckImageSize(1) == nil {
		t.Error("images of 1 pixel are accepted")
	}
	sized, ok := c.Model.Arch.(configs.Sized)
	if !ok {
		t.Fatal("its section is not a configs.Sized: a configuration from anybody could overflow the memory plan")
	}
	small, large := sized.Outputs(c.Data.ImageSize), sized.Outputs(4*c.Data.ImageSize)
	if !(small > 0 && large >= 8*small) {
		t.Errorf("its largest layer has %v values, and %v of images 4 times as high and wide", small, large)
	}
}

// checkParameters checks that ops use all parameters, and that the graph contains nothing else.
func checkParameters(t *testing.T, m graph.Model, recorded []ops.Recorded) {
	t.Helper()
	used := map[*ops.Param]bool{}
	for _, r := range recorded {
		for _, p := range r.Params {
			used[p] = true
		}
		if r.Part == "" && len(r.Params) > 0 {
			t.Errorf("%s %q belongs to no part for summary: call Pass.Within", r.Kind, r.Name)
		}
	}
	for _, p := range m.Store().Params() {
		if !used[p] {
			t.Errorf("no op uses %s", p.Name)
		}
	}
}

// checkLayers checks that layers rise from the embedding to the classifier, that there are as many as
// blocks, and that as many stages can be frozen as the section says.
func checkLayers(t *testing.T, c *configs.Config, m graph.Model, recorded []ops.Recorded) {
	t.Helper()
	staged, ok := c.Model.Arch.(configs.Staged)
	if !ok {
		t.Fatal("its section is not a configs.Staged, for train.frozen_stages")
	}
	layer := 0
	for _, r := range recorded {
		if r.Layer < layer || r.Layer > layer+1 {
			t.Errorf("%s %q is of layer %d after %d: call Pass.Layer", r.Kind, r.Name, r.Layer, layer)
		}
		layer = r.Layer
	}
	if want := staged.Blocks() + 1; layer != want {
		t.Errorf("the last layer is %d, want %d: the embedding is 0, and each of the blocks one", layer, want)
	}
	l, err := graph.LayersOf(m, c.Data.ImageSize, c.Data.ImageSize)
	if err != nil {
		t.Fatal(err)
	}
	what, n := staged.Stages()
	if _, err := l.Frozen(n); err != nil {
		t.Errorf("%d %s: %v", n, what, err)
	}
	if _, err := l.Frozen(n + 1); err == nil {
		t.Errorf("%d of %d %s can be frozen: call Pass.TapStage", n+1, n, what)
	}
}

// checkForward checks that the model has the features for knn, linprobe and features, and that its
// blocks can be computed again in the backward pass.
func checkForward(t *testing.T, c *configs.Config, m graph.Model) {
	t.Helper()
	var names []string
	size := c.Data.ImageSize
	tape := ops.NewSketch()
	tape.Train = true
	p := &layers.Pass{Tape: tape, Recompute: true, Tap: func(name string, _ *gorgonia.Node) {
		names = append(names, name)
	}}
	if _, err := m.Forward(p, p.Input(graph.Images, 1, size, size, m.Channels())); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{layers.Pooled, layers.PreLogits} {
		if !slices.Contains(names, want) {
			t.Errorf("the model has the features %v, and not %s", names, want)
		}
	}
	if _, err := graph.MapName(m, size, size); err != nil {
		t.Errorf("Grad-CAM: %v", err)
	}
	if staged, ok := c.Model.Arch.(configs.Staged); ok && tape.Chains() != staged.Blocks() {
		t.Errorf("%d blocks are computed again with train.grad_checkpointing, want %d: call Pass.Block",
			tape.Chains(), staged.Blocks())
	}
}

// checkONNX checks that all ops have an ONNX form, and that the folded graph has no batch norm.
func checkONNX(t *testing.T, m graph.Model, size int) {
	t.Helper()
	f, err := graph.ForInference(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := onnxgraph.Build(f, onnxgraph.Options{Opset: 17, Height: size, Width: size}); err != nil {
		t.Error(err)
	}
}
