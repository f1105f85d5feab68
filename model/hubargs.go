package model

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"fasternet/configs"
)

// hubArgs reads model_args of a config.json and compares them with what the tensors say.
// The first thing that cannot be is kept.
type hubArgs struct {
	h    *hubConfig
	ways Remedies
	seen []string
	err  error
}

func (a *hubArgs) fail(key, format string, args ...any) {
	if a.err == nil {
		a.err = fmt.Errorf("%s: model_args.%s: %s", a.h.path, key, fmt.Sprintf(format, args...))
	}
}

// arg reads an argument; false if it is not there, or null.
func (a *hubArgs) arg(key string, into any) bool {
	a.seen = append(a.seen, key)
	raw, ok := a.h.ModelArgs[key]
	if !ok || string(raw) == "null" {
		return false
	}
	if err := json.Unmarshal(raw, into); err != nil {
		a.fail(key, "cannot be read: %s", inLine(raw))
		return false
	}
	return true
}

// integer wants an argument to be what the tensors say.
func (a *hubArgs) integer(key string, want int) {
	var v int
	if a.arg(key, &v) && v != want {
		a.fail(key, "it is %d, the tensors have %d", v, want)
	}
}

// square is an argument that is a number or two equal ones; 0 if it is not there.
func (a *hubArgs) square(key string) int {
	var value any
	if !a.arg(key, &value) {
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
	a.fail(key, "want one number, got %s", inLine(a.h.ModelArgs[key]))
	return 0
}

// inLine is a value for an error: JSON without its line breaks.
func inLine(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return clip(string(raw))
	}
	return clip(b.String())
}

// windows reads the sides of windows in the stages of a Swin: a number or two equal ones
// for all stages, or a list with one of these for each, as timm writes after
// set_input_size. It is nil if they are not said.
func (a *hubArgs) windows(stages int) []int {
	var list []json.RawMessage
	if raw := a.h.ModelArgs["window_size"]; json.Unmarshal(raw, &list) != nil || len(list) == 0 {
		list = nil
	}
	nested := len(list) > 0 && list[0][0] == '['
	if !nested && (len(list) == 0 || len(list) == 2) {
		side := a.square("window_size")
		if side == 0 {
			return nil
		}
		return slices.Repeat([]int{side}, stages)
	}
	a.seen = append(a.seen, "window_size")
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
			a.fail("window_size", "want square windows, got %s", inLine(a.h.ModelArgs["window_size"]))
			return nil
		}
		sides = append(sides, side)
	}
	if len(sides) != stages {
		a.fail("window_size", "it is for %d stages, the tensors have %d", len(sides), stages)
		return nil
	}
	return sides
}

func (a *hubArgs) integers(key string, want []int) {
	var v []int
	if a.arg(key, &v) && !slices.Equal(v, want) {
		a.fail(key, "it is %v, the tensors have %v", v, want)
	}
}

// only wants an argument to have one of some values, written as JSON, since others are
// for a model that computes something else.
func (a *hubArgs) only(key string, values ...string) {
	var raw json.RawMessage
	if a.arg(key, &raw) && !slices.Contains(values, string(raw)) {
		a.fail(key, "it is %s, and only %s can be computed", inLine(raw), strings.Join(values, " or "))
	}
}

// without says that arguments do not change what is computed of an image.
func (a *hubArgs) without(keys ...string) { a.seen = append(a.seen, keys...) }

// finish refuses arguments that nobody has looked at.
func (a *hubArgs) finish() {
	for _, key := range slices.Sorted(maps.Keys(a.h.ModelArgs)) {
		if raw := a.h.ModelArgs[key]; !slices.Contains(a.seen, key) && string(raw) != "null" {
			a.fail(key, "it is not known what %s does%s", inLine(raw), option(": ", a.ways.Config, ""))
		}
	}
}

// common are the arguments of all families.
func (a *hubArgs) common(m configs.Model) {
	a.integer("embed_dim", m.EmbedDim)
	a.integer("in_chans", m.InChans)
	if p := a.square("patch_size"); p != 0 && p != m.PatchSize {
		a.fail("patch_size", "it is %d, the tensors have %d", p, m.PatchSize)
	}
	a.without("num_classes", "drop_rate", "pos_drop_rate", "patch_drop_rate", "proj_drop_rate", "attn_drop_rate", "drop_path_rate", "weight_init",
		"img_size", "dynamic_img_size", "dynamic_img_pad", "strict_img_size", "mlp_ratio")
}

func (a *hubArgs) fasterNet(m configs.Model) {
	a.common(m)
	a.integers("depths", m.Depths)
	a.integer("n_div", m.NDiv)
	a.integer("feature_dim", m.FeatureDim)
	if p := a.square("merge_size"); p != 0 && p != m.PatchSize2 {
		a.fail("merge_size", "it is %d, the tensors have %d", p, m.PatchSize2)
	}
	a.only("global_pool", `"avg"`)
	a.only("patch_norm", "true")
	a.without("layer_scale_init_value", "pconv_fw_type")
	a.finish()
}

// vit also reads the number of heads, and whether the final norm comes before the pool,
// which tensors do not tell. With headsSet the user has said the number.
func (a *hubArgs) vit(m *configs.Model, headsSet bool) {
	a.common(*m)
	a.integer("depth", m.Depth)
	var heads int
	usual, known := vitSizes[strings.Split(a.h.Architecture+"_", "_")[1]]
	_, channelsSaid := a.h.ModelArgs["embed_dim"]
	switch {
	case a.arg("num_heads", &heads):
		m.NumHeads = configs.Heads{heads}
	case known && (channelsSaid || usual.channels == m.EmbedDim):
		m.NumHeads = configs.Heads{usual.heads}
	case headsSet:
	case known:
		a.fail("num_heads", "it is not there, and %s has %d channels where the tensors have %d%s", a.h.Architecture, usual.channels, m.EmbedDim, a.ways.ask("model.num_heads=N"))
	default:
		a.fail("num_heads", "it is not there, and the tensors do not tell it%s", a.ways.ask("model.num_heads=N"))
	}
	pool := "token"
	a.arg("global_pool", &pool)
	fcNorm := !m.NormBeforePool && m.GlobalPool // the tensors have fc_norm
	switch pool {
	case "token":
		if fcNorm {
			a.fail("global_pool", `it is "token", but the tensors have fc_norm, the norm of a mean`)
		}
		m.GlobalPool, m.NormBeforePool = false, false
	case "avg":
		m.GlobalPool, m.NormBeforePool = true, !fcNorm
	default:
		a.fail("global_pool", `it is %q, and only "token" or "avg" can be computed`, clip(pool))
	}
	a.only("fc_norm", fmt.Sprint(fcNorm))
	a.only("class_token", "true")
	a.only("pos_embed", `"learn"`)
	a.only("reg_tokens", "0")
	for _, key := range []string{"qk_norm", "scale_attn_norm", "scale_mlp_norm", "pre_norm", "pool_include_prefix"} {
		a.only(key, "false")
	}
	a.only("final_norm", "true")
	a.only("proj_bias", "true")
	a.only("qkv_bias", fmt.Sprint(m.QKVBias))
	a.only("act_layer", `"gelu"`)
	a.only("norm_layer", `"layernorm"`) // of timm: eps 1e-6
	a.without("no_embed_class", "fix_init")
	a.finish()
}

// swin gets the sides of the windows that the tables of the stages are for.
func (a *hubArgs) swin(m *configs.Model, windows []int) {
	a.common(*m)
	a.integers("depths", m.Depths)
	a.integers("num_heads", m.NumHeads)
	said := a.windows(len(m.Depths))
	for i, side := range said {
		// Where the map of a stage is smaller than a window, its table is too.
		if i < len(windows) && (side < windows[i] || side != slices.Max(said) && side != windows[i]) {
			a.fail("window_size", "it is %d in stage %d, the tensors have %d", side, i+1, windows[i])
		}
		m.WindowSize = max(m.WindowSize, side)
	}
	if size := a.imageSize(); size > 0 {
		for i, have := range windows {
			if want := min(m.Side(size)>>i, m.WindowSize); want != have {
				a.fail("window_size", "in stage %d of images of %d pixels the windows would be of %d×%[3]d, and the tables are for %[4]d×%[4]d", i+1, size, want, have)
				break
			}
		}
	}
	a.only("head_dim", "null")
	a.only("always_partition", "false")
	a.only("global_pool", `"avg"`)
	a.only("qkv_bias", fmt.Sprint(m.QKVBias))
	a.finish()
}

// imageSize is the side of the images that the model was made for; 0 if it is not said.
func (a *hubArgs) imageSize() int { return a.square("img_size") }
