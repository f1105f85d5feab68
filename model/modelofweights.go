package model

import (
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

// Adopt completes the configuration of a run that starts from weights and has no model:
// with the model of the weights, for as many classes as the data set has, and with how
// images are prepared for it. Keys that the configuration has stay. It returns settings, to
// be applied before the user's; none if the configuration has a model.
func Adopt(c *configs.Config, given configs.Given, o LoadOptions) ([]string, error) {
	if c.From == "" || c.Task != "classify" || given.Model() {
		return nil, nil
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
	return AdoptFrom(given, theirs)
}

// AdoptFrom is Adopt from a configuration.
func AdoptFrom(given configs.Given, theirs *configs.Config) ([]string, error) {
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
