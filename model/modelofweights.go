package model

import (
	"fmt"
	"slices"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/preprocess"
)

// imageKeys say how images are prepared, which goes with a model.
func imageKeys(d configs.Data) []string {
	keys := []string{"data.image_size", "data.mean", "data.std", "data.interpolation"}
	switch cut := preprocess.Evaluation(d, len(d.Mean)).Cut(); {
	case d.TestCrop == configs.AutoTestCrop && (cut.Mode == data.CropSquash || cut.KeepTo > 0): // auto is the default
	case d.TestCrop == configs.SquashTestCrop:
		keys = append(keys, "data.test_crop")
	default: // a ratio without a mode means the centre
		keys = append(keys, "data.test_crop_ratio")
	}
	return keys
}

// Adopt completes the configuration of a run that starts from weights. One without a model
// gets the model of the weights, for as many classes as the data set has, and how images are
// prepared for it; keys that the configuration has stay. One with a model gets the mean and
// the deviation that the weights know images by, unless the user has set them. It returns
// settings, to be applied before the user's; none if there is nothing to complete.
func Adopt(c *configs.Config, given configs.Given, o LoadOptions) ([]string, error) {
	if c.From == "" || !c.Classifies() {
		return nil, nil
	}
	if given.Model() {
		return adoptStatistics(c, given, o), nil
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

// adoptStatistics is Adopt of a configuration with a model. Whether the weights fit the model
// is not looked at here.
func adoptStatistics(c *configs.Config, given configs.Given, o LoadOptions) []string {
	if given["data.mean"] || given["data.std"] {
		return nil
	}
	src, err := readSource(c.From, o)
	if err != nil || src.own == nil && src.describeHub(nil) != nil || src.config == nil {
		return nil //nolint:nilerr // who reads the weights says what is wrong, or what they do not say
	}
	return statistics(c, src.config)
}

// statistics are the mean and the deviation of another configuration, if these differ and fit.
func statistics(c, theirs *configs.Config) []string {
	have, want := c.Data, theirs.Data
	if len(have.Mean) != len(want.Mean) || len(have.Std) != len(want.Std) || slices.Equal(have.Mean, want.Mean) && slices.Equal(have.Std, want.Std) {
		return nil
	}
	return []string{fmt.Sprintf("data.mean=[%s]", joined(want.Mean)), fmt.Sprintf("data.std=[%s]", joined(want.Std))}
}

// AdoptFrom is Adopt from a configuration, such as that of the run that is resumed.
func AdoptFrom(c *configs.Config, given configs.Given, theirs *configs.Config) ([]string, error) {
	if given.Model() {
		if given["data.mean"] || given["data.std"] {
			return nil, nil
		}
		return statistics(c, theirs), nil
	}
	all, err := theirs.Settings()
	if err != nil {
		return nil, err
	}
	var out []string
	images := imageKeys(theirs.Data)
	for _, s := range all {
		if section, key := s.Section(); section == "model" && !given[s.Key] && key != "num_classes" || slices.Contains(images, s.Key) && !given[s.Key] {
			out = append(out, s.Key+"="+s.Value)
		}
	}
	if !given["data.multi_scale"] {
		out = append(out, "data.multi_scale=")
	}
	return out, nil
}
