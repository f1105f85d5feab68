package model

import (
	"slices"

	"fasternet/configs"
)

// besideModel are keys of what images must look like, which go with a model.
var besideModel = []string{"data.image_size", "data.mean", "data.std", "data.interpolation", "data.test_crop_ratio"}

// Adopt completes the configuration of a run that starts from weights and says nothing of
// its model: with the model of the weights, for as many classes as the data set has, and
// with what images must look like for it. What the configuration says itself stays. It
// returns the settings that do that, to be applied before those of the user; none if the
// configuration has a model.
func Adopt(c *configs.Config, given configs.Given, o LoadOptions) ([]string, error) {
	if c.From == "" || c.Task != "classify" || given.Model() {
		return nil, nil
	}
	src, err := readSource(c.From, o)
	if err != nil {
		return nil, err
	}
	o.Encoder = true
	theirs, err := src.configure(o)
	if err == nil && theirs.Task == "localmim" {
		o.Settings = append(slices.Clone(o.Settings), "task=classify", "model.num_classes=1")
		theirs, err = src.configure(o)
	}
	if err != nil {
		return nil, err
	}
	return AdoptFrom(given, theirs)
}

// AdoptFrom is Adopt from a configuration.
func AdoptFrom(given configs.Given, theirs *configs.Config) ([]string, error) {
	all, err := theirs.Settings()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, s := range all {
		if section, key := s.Section(); section == "model" && !given[s.Key] && key != "num_classes" || slices.Contains(besideModel, s.Key) && !given[s.Key] {
			out = append(out, s.Key+"="+s.Value)
		}
	}
	if !given["data.multi_scale"] {
		out = append(out, "data.multi_scale=")
	}
	return out, nil
}
