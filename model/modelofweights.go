package model

import (
	"fmt"
	"slices"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/preprocess"
	"fasternet/formats/torch"
)

// imageKeys say how images are prepared. They belong to a model.
func imageKeys(d configs.Data) []string {
	keys := []string{"data.image_size", "data.mean", "data.std", "data.interpolation"}
	switch cut := preprocess.Evaluation(d, len(d.Mean)).Cut(); {
	case d.TestCrop == configs.AutoTestCrop && (cut.Mode == data.CropSquash || cut.KeepTo > 0): // auto is the default
	case d.TestCrop == configs.SquashTestCrop:
		keys = append(keys, "data.test_crop")
	default: // a ratio without a mode: centre crop
		keys = append(keys, "data.test_crop_ratio")
	}
	return keys
}

// Adopt completes the configuration of a run that starts from weights. A configuration without a model
// gets the model of the weights, for the classes of the data set, and the way its images are prepared;
// keys that the configuration sets stay. One with a model gets mean, std and pool of the weights, unless
// the user has set them. Adopt returns settings to apply before the user's; none if nothing is missing.
func Adopt(c *configs.Config, given configs.Given, o LoadOptions) ([]string, error) {
	if c.From == "" || !c.Classifies() {
		return nil, nil
	}
	if given.Model() {
		return adoptParts(c, given, o), nil
	}
	o.Remedies = &Remedies{
		Weights: flags.Weights, StateKey: flags.StateKey, AllowMissing: flags.AllowMissing, AllowNaN: flags.AllowNaN,
		Setting: "give the configuration a model, with %s", Config: "give the configuration a model",
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
	return AdoptFrom(c, given, theirs)
}

// adoptParts is Adopt for a configuration with a model. It does not check that the weights fit.
func adoptParts(c *configs.Config, given configs.Given, o LoadOptions) (out []string) {
	src, err := readSource(c.From, o)
	if err != nil {
		return nil //nolint:nilerr // reading the weights reports the error later
	}
	described := src.own != nil || src.describeHub(nil) == nil && src.config != nil
	if described && !given["data.mean"] && !given["data.std"] {
		out = statistics(c, src.config)
	}
	switch {
	case src.ofPretraining(): // it has no classifier
		return out
	case described:
		return append(out, pooling(c, src.config, given)...)
	}
	m, _, err := src.shapesOf() // the names of the tensors tell the pool
	if err != nil {
		return out
	}
	of := *c
	of.Model = m
	return append(out, pooling(c, &of, given)...)
}

// poolKeys say what the classifier sees.
var poolKeys = []string{"model.global_pool", "model.norm_before_pool"}

// pooling returns the settings of the pool of another configuration, if it differs and the user has
// not chosen one: a preset may have a different pool from weights of the same network.
func pooling(c, theirs *configs.Config, given configs.Given) (out []string) {
	if theirs.Model.Name != c.Model.Name {
		return nil
	}
	differences, err := configs.Differences(theirs, c)
	if err != nil {
		return nil //nolint:nilerr // reading the weights reports the error later
	}
	alike := weightsOf(torch.Family(c.Model.Name)).Alike
	for _, d := range differences {
		same := alike != nil && alike(d.Key, theirs.Model, c.Model)
		if slices.Contains(poolKeys, d.Key) && !given[d.Key] && !same && d.Values[0] != "" {
			out = append(out, d.Key+"="+d.Values[0])
		}
	}
	return out
}

// statistics returns mean and std of another configuration, if they differ and fit.
func statistics(c, theirs *configs.Config) []string {
	have, want := c.Data, theirs.Data
	if len(have.Mean) != len(want.Mean) ||
		len(have.Std) != len(want.Std) ||
		slices.Equal(have.Mean, want.Mean) && slices.Equal(have.Std, want.Std) {
		return nil
	}
	return []string{fmt.Sprintf("data.mean=[%s]", joined(want.Mean)), fmt.Sprintf("data.std=[%s]", joined(want.Std))}
}

// AdoptFrom is Adopt from a configuration, such as the configuration of the run to resume.
func AdoptFrom(c *configs.Config, given configs.Given, theirs *configs.Config) ([]string, error) {
	if given.Model() {
		var out []string
		if !given["data.mean"] && !given["data.std"] {
			out = statistics(c, theirs)
		}
		return append(out, pooling(c, theirs, given)...), nil
	}
	all, err := theirs.Settings()
	if err != nil {
		return nil, err
	}
	var out []string
	images := imageKeys(theirs.Data)
	for _, s := range all {
		section, key := s.Section()
		if section == "model" && !given[s.Key] && key != "num_classes" ||
			slices.Contains(images, s.Key) && !given[s.Key] {
			out = append(out, s.Key+"="+s.Value)
		}
	}
	if !given["data.multi_scale"] {
		out = append(out, "data.multi_scale=")
	}
	return out, nil
}
