package model

import (
	"fmt"
	"slices"
	"strings"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/formats"
	"fasternet/graph/localmim"
	"fasternet/layers"
)

// Check verifies a checkpoint or an exported model: its tensors must have the names and shapes of the
// model in its configuration, and averages and moments the shapes of their parameters. It returns the
// configuration.
func Check(f *checkpoints.File) (*configs.Config, error) {
	c, _, err := Describe(f)
	if err != nil {
		return nil, err
	}
	return c, Fits(f, c)
}

// Fits verifies that the tensors of a checkpoint fit the model of a configuration.
func Fits(f *checkpoints.File, c *configs.Config) error {
	_, classes, err := Describe(f)
	if err != nil {
		return err
	}
	f, q, err := unpackInt8(f)
	if err != nil {
		return err
	}
	if q != nil {
		return (&Loaded{File: f, Config: c, Classes: classes}).checkInt8(q)
	}
	store, err := storeOf(f, c, classes)
	if err != nil {
		return err
	}
	if isEncoder(f) {
		return fitsEncoder(store, f, c)
	}
	if err := Restore(store, f, checkpoints.OptimizerPrefix, checkpoints.EMAPrefix); err != nil {
		return err
	}
	for _, t := range f.Tensors {
		if err := checkCompanion(store, t); err != nil {
			return err
		}
	}
	return nil
}

// storeOf makes the tensors of a configuration, unless they take more memory than the file's tensors.
func storeOf(f *checkpoints.File, c *configs.Config, classes []string) (*layers.Store, error) {
	l := &Loaded{File: f, Config: c, Classes: classes}
	if c.Task != "localmim" {
		m, err := l.empty()
		if err != nil {
			return nil, err
		}
		return m.Store(), nil
	}
	if err := l.affordable(c.Model); err != nil {
		return nil, err
	}
	described, err := localmim.Values(c)
	if err != nil {
		return nil, err
	}
	values := 0
	for _, t := range f.Tensors {
		values += len(t.F32)
	}
	if described > values {
		return nil, fmt.Errorf("the file has %d values, fewer than its configuration describes", values)
	}
	m, err := localmim.New(c, c.Seed)
	if err != nil {
		return nil, err
	}
	return m.Store(), nil
}

// checkCompanion checks a tensor, such as a moment, whose name ends with the name of a model's tensor.
func checkCompanion(store *layers.Store, t formats.Tensor) error {
	name, found := strings.CutPrefix(t.Name, checkpoints.EMAPrefix)
	if !found {
		if name, found = strings.CutPrefix(t.Name, checkpoints.OptimizerPrefix); !found {
			return nil
		}
		_, name, found = strings.Cut(name, ".") // after the kind, such as exp_avg
	}
	if e, ok := store.Lookup(name); found && ok && !slices.Equal(t.Shape, []int(e.Shape)) {
		return fmt.Errorf("tensor %s has shape %v, and its parameter %v", t.Name, t.Shape, []int(e.Shape))
	}
	return nil
}
