package model

import (
	"fmt"

	"fasternet/formats/torch"
)

// LoadOptions say how to make a model from a file. The zero value takes a checkpoint as it is. For foreign
// weights it takes the architecture from their folder, their tensors, or a preset with the same shapes.
type LoadOptions struct {
	Config       string       // preset or YAML file; "" for the one in the file, or from the tensors
	Settings     []string     // key=value, applied to the configuration
	Weights      torch.Choice // averaged or last weights, of a file that has both
	StateKey     string       // where the state dict is in a file of PyTorch; "" looks for it
	AllowMissing bool         // go on if tensors are missing or unexpected
	AllowNaN     bool         // go on if values are NaN or infinite
	// Encoder takes only what features need: the encoder of a pre-training, or a model whose classifier
	// may be missing.
	Encoder  bool
	Headless bool // a classifier may be missing: see Loaded.Headless
	// Classes are the classes of the data set. Start looks for rows of a classifier by these names; nil if
	// names do not matter.
	Classes  []string
	Remedies *Remedies   // for errors; nil for the flags of the command line
	Report   func(Table) // gets the table of tensors; may be nil
}

// Remedies say how a user sets options, for errors and notes; "" if it is not possible.
type Remedies struct {
	Weights, StateKey, AllowMissing, AllowNaN string // names of the options

	Setting string // how to set a key of the model: a sentence with %s for key=value
	Config  string // how to give the whole model: a sentence
}

// flags are the remedies on the command line.
var flags = Remedies{
	Weights: "--weights", StateKey: "--state-key", AllowMissing: "--allow-missing", AllowNaN: "--allow-nan",
	Setting: "add --set %s, or --config with a preset or a file", Config: "describe the model with --config",
}

// ask ends an error about a setting that must be given.
func (r Remedies) ask(setting string) string {
	if r.Setting == "" {
		return ""
	}
	return ": " + fmt.Sprintf(r.Setting, setting)
}

func (o LoadOptions) remedies() Remedies {
	if o.Remedies != nil {
		return *o.Remedies
	}
	return flags
}

// reading returns the options for package weights.
func (o LoadOptions) reading() torch.Options {
	r := o.remedies()
	return torch.Options{Choice: o.Weights, Key: o.StateKey, ChoiceOption: r.Weights, KeyOption: r.StateKey}
}
