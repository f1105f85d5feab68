package model

import (
	"errors"
	"fmt"
	"slices"

	"fasternet/configs"
	"fasternet/formats"
	"fasternet/formats/torch"
	"fasternet/graph/localmim"
)

// These say whether a file comes from a pre-training.
var (
	ErrPretraining    = errors.New("comes from a pre-training (task localmim)")
	ErrNotPretraining = errors.New("it does not come from a pre-training (task localmim)")
)

// OpenLocalMIM makes the model of a pre-training from the folder of a run (its best checkpoint), a
// checkpoint, or an official file, which needs a configuration.
func OpenLocalMIM(path string, o LoadOptions) (*localmim.Model, error) {
	src, err := readSource(path, o)
	if err != nil {
		return nil, err
	}
	if !src.pretrained() {
		return nil, fmt.Errorf("%s: %w", src.path, ErrNotPretraining)
	}
	var c *configs.Config
	switch {
	case o.Config != "":
		c, err = configs.Load(o.Config, o.Settings...)
	case src.config == nil:
		err = fmt.Errorf("%s comes from a pre-training and has no configuration: add --config, e.g. mim_vit_base",
			src.path)
	default:
		var text []byte
		if text, err = src.config.YAML(); err == nil {
			c, err = configs.Parse("config in the checkpoint", string(text), o.Settings...)
		}
	}
	if err == nil && c.Task != "localmim" {
		err = fmt.Errorf("the configuration is for task %s, but %s comes from a pre-training: set task=localmim",
			c.Task, src.path)
	}
	if err != nil {
		return nil, ConfigError{err}
	}
	m, err := localmim.New(c, c.Seed)
	if err != nil {
		return nil, err
	}
	if err := src.startPretraining(m, o); err != nil {
		return nil, err
	}
	return m, nil
}

// ExportPretraining returns the state of a pre-training as a bare state dict with the names of the
// published code. Patch merging gets the order of that code.
func ExportPretraining(m *localmim.Model, n torch.Naming) ([]formats.Tensor, error) {
	names := []torch.Naming{torch.Official}
	if slices.Contains(torch.Namings(torch.Family(m.Config().Model.Name)), torch.LocalMIM) {
		names = append(names, torch.LocalMIM)
	}
	if !slices.Contains(names, n) {
		return nil, fmt.Errorf("%w for a pre-training of a %s: %s; it has %s",
			ErrNaming, m.Config().Model.Title(), n, joinNamings(names))
	}
	ts := Tensors(m.Store())
	if swap := m.Encoder().Reorder; swap != nil && m.Config().MIM.MergeOrder != "official" {
		for i, t := range ts {
			ts[i].F32 = swap(t.Name, t.Shape, t.F32)
		}
	}
	return ts, nil
}
