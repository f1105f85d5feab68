package cli

import (
	"errors"
	"fmt"
	"strings"

	"fasternet/configs"
	"fasternet/formats/torch"
	"fasternet/model"
)

// weightsError says that the weights to start from cannot be read.
type weightsError struct{ error }

func (e weightsError) Unwrap() error { return e.error }

// loadConfig reads a configuration. One without a model takes the model of the weights that it starts from.
func loadConfig(name string, settings []string) (*configs.Config, error) {
	c, given, err := configs.LoadGiven(name, settings...)
	if err != nil {
		return nil, usageError{err}
	}
	if c, err = adopt(name, c, given, nil, settings); err != nil && !errors.As(err, &weightsError{}) {
		err = usageError{err}
	}
	return c, err
}

// adopt completes a configuration from the weights that it starts from, or from another configuration if there
// is one.
func adopt(
	name string,
	c *configs.Config,
	given configs.Given,
	from *configs.Config,
	settings []string,
) (*configs.Config, error) {
	adopted, err := adoptedSettings(c, given, from)
	if err != nil || len(adopted) == 0 {
		return c, err
	}
	full, err := configs.Load(name, append(adopted, settings...)...)
	if err != nil {
		return nil, err
	}
	note := "the configuration has no model: using the model of " + c.From
	if given.Model() {
		full.Notes = append(full.Notes, adoptedNotes(c.From, adopted)...)
		return full, nil
	}
	full.Notes = append(full.Notes, note)
	return full, nil
}

// adoptedNotes say what a configuration with a model takes from weights.
func adoptedNotes(from string, adopted []string) (notes []string) {
	var images, pool []string
	for _, s := range adopted {
		if strings.HasPrefix(s, "data.") {
			images = append(images, s)
		} else {
			pool = append(pool, s)
		}
	}
	if len(images) > 0 {
		notes = append(notes, fmt.Sprintf(
			"using the mean and std of the weights %s: %s; change them with data.mean and data.std",
			from, strings.Join(images, ", ")))
	}
	if len(pool) > 0 {
		notes = append(notes, fmt.Sprintf("using the pool of the weights %s: %s; change it with the same keys",
			from, strings.Join(pool, ", ")))
	}
	return notes
}

// adoptedSettings returns the settings that complete a configuration; none if it is complete.
func adoptedSettings(c *configs.Config, given configs.Given, from *configs.Config) ([]string, error) {
	if from != nil {
		return model.AdoptFrom(c, given, from)
	}
	adopted, err := model.Adopt(c, given, model.LoadOptions{
		Weights:      torch.Choice(c.FromWeights),
		StateKey:     c.FromStateKey,
		AllowMissing: c.FromAllowMissing,
		AllowNaN:     c.FromAllowNaN,
	})
	var config model.ConfigError
	switch {
	case errors.As(err, &config):
		return nil, fmt.Errorf("from: %w", err)
	case err != nil:
		return nil, weightsError{fmt.Errorf("from: %w", err)}
	}
	return adopted, nil
}
