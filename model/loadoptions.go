package model

import (
	"fmt"

	"fasternet/formats/torch"
)

// LoadOptions say how a file becomes a model. The zero value takes a checkpoint as it
// is, and foreign weights whose architecture is told by their folder, by their tensors
// or by a preset with the same shapes.
type LoadOptions struct {
	Config       string       // preset or YAML file; "" for the one in the file, or what the tensors tell
	Settings     []string     // key=value on top of it
	Weights      torch.Choice // averaged weights or the last ones, of a file that has both
	StateKey     string       // where the state dict is in a file of PyTorch; "" looks for it
	AllowMissing bool         // go on if tensors are missing or unexpected
	AllowNaN     bool         // go on if values are NaN or infinite
	Encoder      bool         // only features matter: a classifier may be missing, and of a pre-training the encoder is taken
	Headless     bool         // a classifier may be missing: see Loaded.Headless
	Classes      []string     // of the data set, whose rows of a classifier Start looks for by name; nil if they do not matter
	Remedies     *Remedies    // for errors; nil for the flags of the command line
	Report       func(Table)  // gets the table of tensors; may be nil
}

// Remedies are how a user sets options, for errors and notes; "" if it is not possible.
type Remedies struct {
	Weights, StateKey, AllowMissing, AllowNaN string // what the options are called

	Setting string // how to say a setting of the model, a sentence with %s for it
	Config  string // how to say the whole model, a sentence
}

// flags are the remedies of the commands.
var flags = Remedies{
	Weights: "--weights", StateKey: "--state-key", AllowMissing: "--allow-missing", AllowNaN: "--allow-nan",
	Setting: "add --set %s, or --config with a preset or a file", Config: "say with --config what the weights are for",
}

// ask is the end of an error about a setting that nothing tells.
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

// reading are the options of package weights.
func (o LoadOptions) reading() torch.Options {
	r := o.remedies()
	return torch.Options{Choice: o.Weights, Key: o.StateKey, ChoiceOption: r.Weights, KeyOption: r.StateKey}
}
