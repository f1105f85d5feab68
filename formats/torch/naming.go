package torch

import (
	"slices"
	"strconv"
	"strings"
)

// Family is a kind of network whose tensors have known names.
type Family string

// The families, called as in configurations. Another network has none.
const (
	FasterNet Family = "fasternet"
	ViT       Family = "vit"
	Swin      Family = "swin"
)

// Naming is a scheme of names for the tensors of a family: the code that writes
// state dicts with these names.
type Naming string

// The namings. Ours are the official ones, of FasterNet's authors, and for ViT and Swin of
// LocalMIM.
const (
	Official    Naming = "official"
	Timm        Naming = "timm" // since 0.8
	Torchvision Naming = "torchvision"
	Microsoft   Naming = "microsoft" // the authors of Swin; the same names as LocalMIM's
	LocalMIM    Naming = "localmim"
)

// AllNamings are the namings of all families.
var AllNamings = []Naming{Official, Timm, Torchvision, Microsoft, LocalMIM}

// Namings lists those that a family has.
func Namings(f Family) []Naming {
	var out []Naming
	for _, n := range AllNamings {
		if _, ok := renamings[f][n]; ok {
			out = append(out, n)
		}
	}
	return out
}

// renamings are the rules of the namings. An empty list is for official names.
var renamings = map[Family]map[Naming][]renaming{
	FasterNet: {
		Official: nil,
		// The official network is one list in which stages and merging layers take
		// turns; in timm a merging layer belongs to the stage after it.
		Timm: {
			{official: "avgpool_pre_head.1.*", other: "conv_head.*"},
			{official: "head.*", other: "classifier.*"},
			{official: "stages.#.*", other: "stages.#.downsample.*", p: 1, q: 2, r: -1},
			{official: "stages.#.*", other: "stages.#.*", p: 1, q: 2},
		},
	},
	ViT: {
		Official: nil, LocalMIM: nil, Timm: nil,
		Torchvision: {
			{official: "cls_token", other: "class_token"},
			{official: "pos_embed", other: "encoder.pos_embedding"},
			{official: "patch_embed.proj.*", other: "conv_proj.*"},
			{official: "blocks.#.norm1.*", other: "encoder.layers.encoder_layer_#.ln_1.*"},
			{official: "blocks.#.attn.qkv.weight", other: "encoder.layers.encoder_layer_#.self_attention.in_proj_weight"},
			{official: "blocks.#.attn.qkv.bias", other: "encoder.layers.encoder_layer_#.self_attention.in_proj_bias"},
			{official: "blocks.#.attn.proj.*", other: "encoder.layers.encoder_layer_#.self_attention.out_proj.*"},
			{official: "blocks.#.norm2.*", other: "encoder.layers.encoder_layer_#.ln_2.*"},
			{official: "blocks.#.mlp.fc1.*", other: "encoder.layers.encoder_layer_#.mlp.0.*"},
			{official: "blocks.#.mlp.fc2.*", other: "encoder.layers.encoder_layer_#.mlp.3.*"},
			{official: "norm.*", other: "encoder.ln.*"},
			{official: "head.*", other: "heads.head.*"},
			// As the first releases had them; never written.
			{official: "blocks.#.mlp.fc1.*", other: "encoder.layers.encoder_layer_#.mlp.linear_1.*"},
			{official: "blocks.#.mlp.fc2.*", other: "encoder.layers.encoder_layer_#.mlp.linear_2.*"},
		},
	},
	Swin: {
		Official: nil, LocalMIM: nil, Microsoft: nil,
		Timm: {
			{official: "layers.#.downsample.*", other: "layers.#.downsample.*", p: 1, q: 1, r: -1},
			{official: "head.*", other: "head.fc.*"},
		},
		Torchvision: {
			{official: "patch_embed.proj.*", other: "features.0.0.*"},
			{official: "patch_embed.norm.*", other: "features.0.2.*"},
			{official: "layers.#.blocks.#.mlp.fc1.*", other: "features.#.#.mlp.0.*", p: 2, q: 1, r: -1},
			{official: "layers.#.blocks.#.mlp.fc2.*", other: "features.#.#.mlp.3.*", p: 2, q: 1, r: -1},
			{official: "layers.#.blocks.#.*", other: "features.#.#.*", p: 2, q: 1, r: -1},
			{official: "layers.#.downsample.*", other: "features.#.*", p: 2, q: 1, r: -2},
		},
	},
}

// renaming is a rule for some of the names. In the patterns # is a number and * the
// rest of the name. The first numbers of the two are related by
//
//	p·official = q·other + r
//
// where p is not 0; all other numbers are the same.
type renaming struct {
	official, other string
	p, q, r         int
}

// NameOf is the name of a tensor in a naming. The tensor is given by its official name.
func NameOf(f Family, n Naming, official string) string {
	for _, rule := range renamings[f][n] {
		if name, ok := rename(official, rule.official, rule.other, func(i int) (int, bool) { return divide(rule.p*i-rule.r, rule.q, i, rule.p) }); ok {
			return name
		}
	}
	return official
}

// OfficialName is the official name of a tensor with a name of that naming.
func OfficialName(f Family, n Naming, name string) string {
	for _, rule := range renamings[f][n] {
		if official, ok := rename(name, rule.other, rule.official, func(i int) (int, bool) { return divide(rule.q*i+rule.r, rule.p, i, rule.p) }); ok {
			return official
		}
	}
	return name
}

// divide is a/b, if that is a number that can be in a name; i if the numbers are not
// related (p is 0).
func divide(a, b, i, p int) (int, bool) {
	if p == 0 {
		return i, true
	}
	return a / b, a >= 0 && a%b == 0
}

// rename turns a name of one pattern into a name of another; first maps the first number.
func rename(name, from, to string, first func(int) (int, bool)) (string, bool) {
	var numbers []int
	rest, pattern := name, from
	for {
		text, after, more := strings.Cut(pattern, "#")
		if !more {
			break
		}
		var ok bool
		if rest, ok = strings.CutPrefix(rest, text); !ok {
			return "", false
		}
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.Atoi(rest[:digits])
		if err != nil || digits > 3 || strconv.Itoa(n) != rest[:digits] {
			return "", false
		}
		numbers, rest, pattern = append(numbers, n), rest[digits:], after
	}
	text, wild := strings.CutSuffix(pattern, "*")
	rest, ok := strings.CutPrefix(rest, text)
	if !ok || wild == (rest == "") {
		return "", false
	}
	if len(numbers) > 0 {
		if numbers[0], ok = first(numbers[0]); !ok {
			return "", false
		}
	}
	out, _ := strings.CutSuffix(to, "*")
	for _, n := range numbers {
		out = strings.Replace(out, "#", strconv.Itoa(n), 1)
	}
	return out + rest, true
}

// Recognise tells the family and the naming of the tensors of a network. Names that
// several namings share count as official. Of another network ok is false.
func Recognise(names []string) (f Family, n Naming, ok bool) {
	has := func(test func(string) bool) bool { return slices.ContainsFunc(names, test) }
	prefix := func(p string) bool { return has(func(s string) bool { return strings.HasPrefix(s, p) }) }
	part := func(p string) bool { return has(func(s string) bool { return strings.Contains(s, p) }) }
	tables := func(p string) bool {
		return has(func(s string) bool {
			return strings.HasPrefix(s, p) && strings.HasSuffix(s, ".attn.relative_position_bias_table")
		})
	}
	switch {
	case slices.Contains(names, "decoder.0.mask_token") && slices.Contains(names, "blocks.0.attn.qkv.weight"):
		return ViT, LocalMIM, true
	case slices.Contains(names, "decoder.0.mask_token") && tables("encoder.layers."):
		return Swin, LocalMIM, true
	case has(func(s string) bool {
		return strings.HasPrefix(s, "stages.") && strings.HasSuffix(s, ".spatial_mixing.partial_conv3.weight")
	}):
		if prefix("conv_head.") || prefix("classifier.") || part(".downsample.") {
			return FasterNet, Timm, true
		}
		return FasterNet, Official, true
	case prefix("encoder.layers.encoder_layer_") && prefix("conv_proj."):
		return ViT, Torchvision, true
	case tables("features."):
		return Swin, Torchvision, true
	case tables("layers."):
		later := has(func(s string) bool {
			return strings.HasPrefix(s, "layers.") && strings.Contains(s, ".downsample.") && !strings.HasPrefix(s, "layers.0.")
		})
		if prefix("head.fc.") || later && !prefix("layers.0.downsample.") {
			return Swin, Timm, true
		}
		return Swin, Official, true
	case slices.Contains(names, "patch_embed.proj.weight") && slices.Contains(names, "blocks.0.attn.qkv.weight"):
		return ViT, Official, true
	}
	return "", Official, false
}
