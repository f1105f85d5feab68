package model_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/graph"
	"fasternet/model"
)

// head returns the rows of a classifier, each with its bias last.
func head(t *testing.T, m graph.Model) (rows [][]float32) {
	t.Helper()
	w, ok := m.Store().Lookup("head.weight")
	if !ok {
		t.Fatal("no classifier")
	}
	b, ok := m.Store().Lookup("head.bias")
	if !ok {
		t.Fatal("no bias")
	}
	n := m.Classes()
	width := len(w.Param.Data()) / n
	for i := range n {
		rows = append(rows, append(slices.Clone(w.Param.Data()[i*width:(i+1)*width]), b.Param.Data()[i]))
	}
	return rows
}

// The rows of the classifier to start from are matched by class name.
func TestStartMatchesHead(t *testing.T) {
	dir := t.TempDir()
	checkpoint := func(name string, names []string, settings ...string) string {
		c := small(t, settings...)
		net, err := model.New(c, max(len(names), 3))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := net.Store().Lookup("head.bias")
		for i := range b.Param.Data() {
			b.Param.Data()[i] = float32(i + 1)
		}
		meta, err := model.Meta(c, names)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name+".safetensors")
		if err := checkpoints.Write(path, checkpoints.File{
			Meta:    meta,
			Tensors: model.Tensors(net.Store()),
		}); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pets := []string{"cat", "dog", "fox"}
	named := checkpoint("named", pets, "seed=3")
	wide := checkpoint("wide", pets, "seed=3", "model.num_classes=5")
	nameless := checkpoint("nameless", nil, "seed=3", "model.num_classes=3")
	for _, c := range []struct {
		name, from string
		classes    []string
		settings   string
		rows       []int // of the checkpoint; nil for fresh ones
		note       string
	}{
		{name: "the same", from: named, classes: pets, rows: []int{0, 1, 2}},
		{name: "unknown to both", from: named, rows: []int{0, 1, 2}},
		{
			name:    "another order",
			from:    named,
			classes: []string{"fox", "cat", "dog"},
			rows:    []int{2, 0, 1},
			note:    "classifier: the classes of the data set are in a different order than in the checkpoint",
		},
		{
			name:     "another order, outputs to spare",
			from:     wide,
			classes:  []string{"fox", "cat", "dog"},
			settings: "model.num_classes=5",
			rows:     []int{2, 0, 1, 3, 4},
			note:     "they are matched by name",
		},
		{
			name:    "renamed",
			from:    named,
			classes: []string{"dog", "fox", "zebra"},
			note: "the classifier is for other classes: it is replaced by a fresh one; " +
				"the checkpoint has 2 of the 3 classes of the data set by name " +
				`(class 0 is "cat" in the checkpoint and "dog" in the data set`,
		},
		{
			name:    "one more",
			from:    named,
			classes: append(slices.Clone(pets), "zebra"),
			note: "the classifier is for 3 classes, the model for 4: it is replaced by a fresh one; " +
				"the checkpoint has 3 of the 4 classes of the data set by name " +
				`(only in the data set: "zebra")`,
		},
		{name: "one less", from: named, classes: pets[1:], note: "the checkpoint has 2 of the 2 classes"},
		{
			name:     "one less, as many outputs",
			from:     wide,
			classes:  pets[1:],
			settings: "model.num_classes=5",
			note:     "is for other classes",
		},
		{
			name:    "no names",
			from:    nameless,
			classes: pets,
			rows:    []int{0, 1, 2},
			note: "classifier: the checkpoint does not say what its classes are called: " +
				"they are compared by their number",
		},
		{
			name:    "no names, another number",
			from:    nameless,
			classes: pets[1:],
			note:    "the classifier is for 3 classes, the model for 2",
		},
		{
			name:    "numbers",
			from:    named,
			classes: []string{"0", "1", "2"},
			rows:    []int{0, 1, 2},
			note:    "the data set does not say",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			settings := []string{"seed=8"}
			if c.settings != "" {
				settings = append(settings, c.settings)
			}
			config := small(t, settings...)
			net, err := model.New(config, max(len(c.classes), 2))
			if c.classes == nil {
				net, err = model.New(config, 3)
			}
			if err != nil {
				t.Fatal(err)
			}
			want := head(t, net)
			if c.rows != nil {
				l, err := model.Load(c.from)
				if err != nil {
					t.Fatal(err)
				}
				old := head(t, l.Model)
				for i, at := range c.rows {
					want[i] = old[at]
				}
			}
			var table model.Table
			if err := model.Start(net, config, c.from, model.LoadOptions{
				Classes: c.classes,
				Report:  func(m model.Table) { table = m },
			}); err != nil {
				t.Fatal(err)
			}
			for i, row := range head(t, net) {
				if !slices.Equal(row, want[i]) {
					t.Errorf("row %d is %v, want %v", i, row[len(row)-3:], want[i][len(row)-3:])
				}
			}
			notes := strings.Join(table.Notes, "; ")
			if !strings.Contains(notes, c.note) || (notes == "") != (c.note == "") {
				t.Errorf("notes %q, want %q", notes, c.note)
			}
		})
	}
}
