package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/model"
)

// modelHelp says what a MODEL argument may be.
const modelHelp = `MODEL is a preset, a YAML file, a checkpoint, the folder of
a run, or weights of another program.`

// modelArgument reads a MODEL argument: a preset or a YAML file with settings,
// whose model is nil, or a checkpoint with its model.
func modelArgument(arg string, settings []string) (*configs.Config, graph.Model, error) {
	if !isCheckpoint(arg) {
		config, err := loadConfig(arg, settings)
		return config, nil, err
	}
	if len(settings) > 0 && model.IsOwn(arg) {
		return nil, nil, usageError{fmt.Errorf("--set: %s is a checkpoint, whose model is as it is; settings go with a preset, a YAML file or weights of another program", arg)}
	}
	// Counts and times depend neither on the values nor on a classifier.
	m, err := model.Open(arg, model.LoadOptions{Settings: settings, AllowNaN: true, Headless: true, Remedies: &model.Remedies{Setting: "add --set %s"}})
	var config model.ConfigError
	if errors.As(err, &config) {
		return nil, nil, usageError{err}
	}
	if err != nil {
		return nil, nil, err
	}
	return m.Config, m.Model, nil
}

// isCheckpoint says whether a MODEL argument is something with weights: a
// checkpoint, the folder of a run, an export. The name of a preset is none even
// if a folder is called so.
func isCheckpoint(arg string) bool {
	_, err := os.Stat(arg)
	return err == nil && !isConfiguration(arg)
}

// isConfiguration says whether it is the name of a preset or of a YAML file.
func isConfiguration(arg string) bool {
	return slices.Contains(configs.Presets(), arg) || slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(arg))
}
