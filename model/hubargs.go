package model

import (
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
		a.fail(key, "cannot be read: %s", clip(string(raw)))
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
	a.fail(key, "want one number, got %s", clip(string(a.h.ModelArgs[key])))
	return 0
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
		a.fail(key, "it is %s, and only %s can be computed", clip(string(raw)), strings.Join(values, " or "))
	}
}

// without says that arguments do not change what is computed of an image.
func (a *hubArgs) without(keys ...string) { a.seen = append(a.seen, keys...) }

// finish refuses arguments that nobody has looked at.
func (a *hubArgs) finish() {
	for _, key := range slices.Sorted(maps.Keys(a.h.ModelArgs)) {
		if raw := string(a.h.ModelArgs[key]); !slices.Contains(a.seen, key) && raw != "null" {
			a.fail(key, "it is not known what %s does: say with --config what the weights are for", clip(raw))
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
	if a.arg("num_heads", &heads) {
		m.NumHeads = configs.Heads{heads}
	} else if size := strings.Split(a.h.Architecture, "_"); len(size) > 1 && headsOf[size[1]] > 0 {
		m.NumHeads = configs.Heads{headsOf[size[1]]}
	} else if !headsSet {
		a.fail("num_heads", "it is not there, and the tensors do not tell it: add --set model.num_heads=N")
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
	if w := a.square("window_size"); w != 0 && w < m.WindowSize {
		a.fail("window_size", "it is %d, the tensors have %d", w, m.WindowSize)
	} else if w != 0 { // no stage may be as large
		m.WindowSize = w
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
