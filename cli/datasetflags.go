package cli

import (
	"context"
	"fmt"
	"os"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/sets"

	"github.com/spf13/cobra"
)

// datasetHelp explains the argument DATASET.
const datasetHelp = `DATASET is a preset or a YAML file (its section data is used), fashion-mnist, or a folder: with
train.pack, with shards (train*.tar), with train/<class>/ and val/<class>/, or only with <class>/.`

// datasetFlags choose a data set and parts of it.
type datasetFlags struct {
	settings []string
	dir      string
	split    string

	noValidation bool // DATASET is a folder without a validation part
}

func (f *datasetFlags) register(c *cobra.Command) {
	c.Flags().
		StringArrayVar(&f.settings, "set", nil, "change a setting, `key=value`, e.g. data.name=cifar10; repeatable")
	c.Flags().StringVar(&f.dir, "data", "", "`folder` of the data set (data.dir)")
	c.Flags().StringVar(&f.split, "split", "both", "`part`: train, val or both")
}

// config returns the configuration for a DATASET argument.
func (f *datasetFlags) config(arg string) (*configs.Config, error) {
	var settings []string
	if f.dir != "" {
		settings = append(settings, "data.dir="+quoted(f.dir))
	}
	if isConfiguration(arg) {
		return loadConfig(arg, append(settings, f.settings...))
	}
	name := arg
	if arg != "fashion-mnist" {
		info, err := os.Stat(arg)
		if err != nil || !info.IsDir() {
			return nil, usageError{fmt.Errorf("%s: want a preset, a YAML file, fashion-mnist or a folder%s",
				arg, sets.UnpackHint(arg))}
		}
		name = sets.FormatIn(arg)
		settings = append(settings, "data.dir="+quoted(arg))
	} else {
		settings = append(settings, "model.in_chans=1", "data.mean=[0.286]", "data.std=[0.353]")
	}
	c, err := configs.Parse("DATASET", "", append(append(settings, "data.name="+name), f.settings...)...)
	if err != nil {
		return nil, usageError{err}
	}
	if d := &c.Data; d.Name == "imagefolder" && d.Train == "" && d.Val == "" && !d.HoldsOut() {
		direct := false
		if f.noValidation, direct = sets.Undivided(d.Dir); direct {
			d.Train = "."
		}
		if f.noValidation && f.split == "both" {
			display().Line("note: %s has no validation part; train --data holds out some of its images", arg)
		}
	}
	return c, nil
}

// dataPart is a part of a data set.
type dataPart struct {
	name  string
	split data.Split
	data.Dataset
}

// splits returns the requested parts. config must have looked at the data set.
func (f *datasetFlags) splits() ([]data.Split, error) {
	switch f.split {
	case "both":
		if f.noValidation {
			return []data.Split{data.Train}, nil
		}
		return []data.Split{data.Train, data.Val}, nil
	case string(data.Train), string(data.Val):
		return []data.Split{data.Split(f.split)}, nil
	}
	return nil, usageError{fmt.Errorf("--split: want train, val or both, got %q", f.split)}
}

// open opens the requested parts.
func (f *datasetFlags) open(ctx context.Context, c *configs.Config) (parts []dataPart, err error) {
	splits, err := f.splits()
	if err != nil {
		return nil, err
	}
	for _, split := range splits {
		p := dataPart{"training", split, nil}
		if split == data.Val {
			p.name = "validation"
		}
		if p.Dataset, err = sets.Open(ctx, c.Data, p.split == data.Train); err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	return parts, nil
}
