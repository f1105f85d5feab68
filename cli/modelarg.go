package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/internal/reference"
	"fasternet/model"

	"github.com/spf13/cobra"
)

// modelHelp explains the argument MODEL.
const modelHelp = `MODEL is a preset, a YAML file, a checkpoint, the folder of a run,
or weights of another program: a file, hf://ORG/NAME or a URL.`

// modelArgument reads a MODEL argument: a preset or a YAML file with settings (then the model is nil), or a
// checkpoint with its model.
func modelArgument(arg string, settings []string) (*configs.Config, graph.Model, error) {
	if !isCheckpoint(arg) {
		config, err := loadConfig(arg, settings)
		return config, nil, err
	}
	if len(settings) > 0 && model.IsOwn(arg) {
		return nil, nil, usageError{fmt.Errorf("--set: %s is a checkpoint with a fixed model; "+
			"settings are for a preset, "+
			"a YAML file or weights of another program",
			arg)}
	}
	// Counts and times depend neither on the values nor on a classifier.
	m, err := model.Open(arg, model.LoadOptions{
		Settings: settings,
		AllowNaN: true,
		Headless: true,
		Remedies: &model.Remedies{Setting: "add --set %s"},
	})
	var config model.ConfigError
	if errors.As(err, &config) {
		return nil, nil, usageError{err}
	}
	if err != nil {
		return nil, nil, err
	}
	return m.Config, m.Model, nil
}

// isCheckpoint reports whether a MODEL argument has weights: a checkpoint, the folder of a run, an export. The
// name of a preset has none, even if there is a folder with this name.
func isCheckpoint(arg string) bool {
	_, err := os.Stat(arg)
	return reference.IsReference(arg) || err == nil && !isConfiguration(arg)
}

// isConfiguration reports whether it is the name of a preset or of a YAML file.
func isConfiguration(arg string) bool {
	return !reference.IsReference(arg) &&
		(slices.Contains(configs.Presets(), arg) || slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(arg)))
}

// modelFlag is another way to give the first argument.
const modelFlag = "model"

// takesModel lets --model replace the first argument of a command, MODEL. Call it after Args and RunE are set:
// both get the arguments with the model in first place.
func takesModel(c *cobra.Command) {
	name, _, _ := strings.Cut(strings.Trim(argumentsOf(c), "[]"), " ")
	name = strings.Trim(name, "[].…")
	c.Flags().String(modelFlag, "", "the same as the `argument` "+name)
	with := func(given []string) []string {
		f := c.Flags().Lookup(modelFlag)
		if !f.Changed {
			return given
		}
		return append([]string{f.Value.String()}, given...)
	}
	args, run := c.Args, c.RunE
	c.Args = func(c *cobra.Command, given []string) error {
		err := args(c, with(given))
		if err != nil && len(given) > 0 && c.Flags().Changed(modelFlag) && args(c, given) == nil {
			return fmt.Errorf("%s is given twice, as %s and as --%s: leave one out", name, given[0], modelFlag)
		}
		return err
	}
	c.RunE = func(c *cobra.Command, given []string) error {
		all := with(given)
		if len(all) > 0 && all[0] == "" {
			return usageError{fmt.Errorf("%s: want the folder of a run, a checkpoint or an export", name)}
		}
		return run(c, all)
	}
}
