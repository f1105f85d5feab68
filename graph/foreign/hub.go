package foreign

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"fasternet/configs"
)

// Hub describes how timm stores models of a family in config.json.
type Hub struct {
	// Architecture says whether an architecture of timm, e.g. vit_base_patch16_224, computes the
	// same as models of the family.
	Architecture func(name string) bool
	// Described names such architectures in messages, e.g. "swin_*_window*".
	Described string
	// Args compares model_args with the tensors, and completes the model.
	Args func(a *Args, m *configs.Model, w *Weights)
	// FixedImageSize says that the tensors fix the size of the images.
	FixedImageSize bool
	// Write describes a model.
	Write func(m configs.Model, imageSize int) Description
	// Preset returns timm's architecture for a model with the shapes of a preset; "" if there is none.
	Preset func(preset string, of, m configs.Model) string
	// Default returns timm's architecture for a model of other sizes; "" if none computes the same.
	Default func(m configs.Model) string
}

// Description holds what timm needs to make a model.
type Description struct {
	Args           map[string]any // model_args that only this family has
	GlobalPool     string
	NumFeatures    int
	Classifier     string // name of the last layer
	FirstConv      string
	FixedInputSize bool
}

// Args reads model_args of a config.json. It keeps the first error.
type Args struct {
	Architecture string
	path         string
	values       map[string]json.RawMessage
	help         string // how the user can describe the model
	seen         []string
	err          error
}

// NewArgs reads the arguments of an architecture. path is the file, for messages. help, at the end
// of an error, says how else the user can describe the model.
func NewArgs(architecture, path string, values map[string]json.RawMessage, help string) *Args {
	return &Args{Architecture: architecture, path: path, values: values, help: help}
}

// Err returns the first error.
func (a *Args) Err() error { return a.err }

// Fail records what is wrong with an argument.
func (a *Args) Fail(key, format string, args ...any) {
	if a.err == nil {
		a.err = fmt.Errorf("%s: model_args.%s: %s", a.path, key, fmt.Sprintf(format, args...))
	}
}

// Said says whether an argument is given.
func (a *Args) Said(key string) bool { _, ok := a.values[key]; return ok }

// Get reads an argument. It returns false if the argument is missing or null.
func (a *Args) Get(key string, into any) bool {
	a.seen = append(a.seen, key)
	raw, ok := a.values[key]
	if !ok || string(raw) == "null" {
		return false
	}
	if err := json.Unmarshal(raw, into); err != nil {
		a.Fail(key, "cannot be read: %s", inLine(raw))
		return false
	}
	return true
}

// Integer records an error unless an argument has the value that the tensors show.
func (a *Args) Integer(key string, want int) {
	var v int
	if a.Get(key, &v) && v != want {
		a.Fail(key, "it is %d, the tensors have %d", v, want)
	}
}

// Integers is Integer for a list.
func (a *Args) Integers(key string, want []int) {
	var v []int
	if a.Get(key, &v) && !slices.Equal(v, want) {
		a.Fail(key, "it is %v, the tensors have %v", v, want)
	}
}

// Square reads an argument that is a number or two equal ones; 0 if it is missing.
func (a *Args) Square(key string) int {
	var value any
	if !a.Get(key, &value) {
		return 0
	}
	switch v := value.(type) {
	case float64:
		return int(v)
	case []any:
		same := len(v) > 0
		for _, x := range v {
			n, isNumber := x.(float64)
			same = same && isNumber && n == v[0]
		}
		if same {
			return int(v[0].(float64))
		}
	}
	a.Fail(key, "want one number, got %s", inLine(a.values[key]))
	return 0
}

// Sides reads sides of windows in the given number of stages: a number or two equal ones for all
// stages, or a list with one of these for each, as timm writes after set_input_size. It returns nil
// if they are missing.
func (a *Args) Sides(key string, stages int) []int {
	var list []json.RawMessage
	if raw := a.values[key]; json.Unmarshal(raw, &list) != nil || len(list) == 0 {
		list = nil
	}
	nested := len(list) > 0 && list[0][0] == '['
	if !nested && (len(list) == 0 || len(list) == 2) {
		side := a.Square(key)
		if side == 0 {
			return nil
		}
		return slices.Repeat([]int{side}, stages)
	}
	a.seen = append(a.seen, key)
	var sides []int
	for _, raw := range list {
		var side int
		var pair []int
		switch {
		case json.Unmarshal(raw, &side) == nil:
		case json.Unmarshal(raw, &pair) == nil && len(pair) == 2 && pair[0] == pair[1]:
			side = pair[0]
		}
		if side < 1 {
			a.Fail(key, "want square windows, got %s", inLine(a.values[key]))
			return nil
		}
		sides = append(sides, side)
	}
	if len(sides) != stages {
		a.Fail(key, "it is for %d stages, the tensors have %d", len(sides), stages)
		return nil
	}
	return sides
}

// Only records an error unless an argument has one of some values, written as JSON, because with
// other values the model computes something else.
func (a *Args) Only(key string, values ...string) {
	var raw json.RawMessage
	if a.Get(key, &raw) && !slices.Contains(values, string(raw)) {
		a.Fail(key, "it is %s, and only %s can be computed", inLine(raw), strings.Join(values, " or "))
	}
}

// Without names arguments that do not change what is computed for an image.
func (a *Args) Without(keys ...string) { a.seen = append(a.seen, keys...) }

// Finish refuses arguments that nothing has read.
func (a *Args) Finish() {
	for _, key := range slices.Sorted(maps.Keys(a.values)) {
		if raw := a.values[key]; !slices.Contains(a.seen, key) && string(raw) != "null" {
			a.Fail(key, "it is not known what %s does%s", inLine(raw), a.help)
		}
	}
}

// Common reads the arguments that all families with these sizes have.
func (a *Args) Common(embedDim, inChans, patchSize int) {
	a.Integer("embed_dim", embedDim)
	a.Integer("in_chans", inChans)
	if p := a.Square("patch_size"); p != 0 && p != patchSize {
		a.Fail("patch_size", "it is %d, the tensors have %d", p, patchSize)
	}
	a.Without(
		"num_classes",
		"drop_rate", "pos_drop_rate", "patch_drop_rate", "proj_drop_rate", "attn_drop_rate", "drop_path_rate",
		"weight_init",
		"img_size", "dynamic_img_size", "dynamic_img_pad", "strict_img_size",
		"mlp_ratio",
	)
}

// ImageSize returns the side of the images that the model was made for; 0 if it is missing.
func (a *Args) ImageSize() int { return a.Square("img_size") }

// inLine returns a value for an error: JSON without line breaks.
func inLine(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return Clip(string(raw))
	}
	return Clip(b.String())
}

// Clip shortens a text from a file for an error.
func Clip(s string) string {
	const most = 80
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}
