package torch_test

import (
	"fmt"
	"strings"
	"testing"

	"fasternet/formats/torch"
)

// net returns a dict of a small FasterNet with v for all values, and a prefix before each name.
func net(prefix string, v int) string {
	return dict(netPairs(prefix, v)...)
}

func netPairs(prefix string, v int) []string {
	return []string{
		prefix + "stages.0.blocks.0.spatial_mixing.partial_conv3.weight",
		one(v), prefix + "head.weight", matrix(v),
	}
}

// encoderPairs returns the entries of a ViT without a classifier.
func encoderPairs(prefix string, v int) []string {
	return []string{prefix + "patch_embed.proj.weight", one(v), prefix + "blocks.0.attn.qkv.weight", one(v)}
}

// one returns a tensor with one value, the value of the storage.
func one(v int) string {
	return tensor(storageID("FloatStorage", fmt.Sprint(v), 1), 0, []int{1}, []int{1})
}

func matrix(v int) string {
	return tensor(storageID("FloatStorage", fmt.Sprint(v), 1), 0, []int{1, 1}, []int{1, 1})
}

// scalar returns a tensor without dimensions.
func scalar(v int) string {
	return tensor(storageID("FloatStorage", fmt.Sprint(v), 1), 0, nil, nil)
}

func TestStateDictKeys(t *testing.T) {
	storages := map[string]string{"0": floats(10), "1": floats(11), "2": floats(12)}
	read := func(object string, o torch.Options) string {
		s, err := parse(archive(t, pickled(object), storages), o)
		if err != nil {
			return err.Error()
		}
		var out []string
		for _, x := range s.Tensors {
			name := x.Name
			if strings.HasSuffix(name, "partial_conv3.weight") {
				name = "conv"
			}
			out = append(out, fmt.Sprint(name, x.F32))
		}
		text := fmt.Sprintf("%s|%s: %s", s.Key, s.Prefix, strings.Join(out, " "))
		if s.Averaged {
			text += " averaged"
		}
		if len(s.Others) > 0 {
			text += "; not " + strings.Join(s.Others, ", ")
		}
		return text
	}
	both := dict(
		"model", net("", 0), "model_ema",
		dict(append(netPairs("module.", 2), "n_averaged", scalar(1))...),
		"epoch", number(3),
	)
	dino := dict("student", dict(append(encoderPairs("module.backbone.", 0), "module.head.mlp.0.weight", one(0))...),
		"teacher", dict(append(encoderPairs("backbone.", 1), "head.mlp.0.weight", one(1))...))
	optimizer := dict("state", dict("head.weight", dict("step", scalar(0), "exp_avg", one(0), "exp_avg_sq", one(0))))
	for _, c := range []struct {
		name, object string
		o            torch.Options
		want         string
	}{
		{"bare", net("", 0), torch.Options{}, "|: conv[10] head.weight[10]"},
		{
			"model_state_dict",
			dict("model_state_dict", net("", 1), "epoch", number(1), "optimizer_state_dict", dict()),
			torch.Options{}, "model_state_dict|: conv[11] head.weight[11]",
		},
		{"net", dict("net", net("", 1), "acc", number(1)), torch.Options{}, "net|: conv[11]"},
		{"params", dict("params", net("", 1)), torch.Options{}, "params|: conv[11]"},
		{"weights", dict("weights", net("", 1)), torch.Options{}, "weights|: conv[11]"},
		{
			"module",
			dict("module", net("module.", 1), "dp_world_size", number(1)),
			torch.Options{}, "module|module.: conv[11]",
		},
		{"any key", dict("my_network", net("", 1), "lr", scalar(0)), torch.Options{}, "my_network|: conv[11]"},
		{
			"nested", dict("checkpoint", dict("trainer", dict("net", net("", 1)))), torch.Options{},
			"checkpoint.trainer.net|: conv[11]",
		},
		{"in a list", dict("models", list(net("", 1))), torch.Options{}, "models.0|: conv[11]"},
		{"optimizer", dict("net", net("", 1), "optimizer", optimizer), torch.Options{}, "net|: conv[11]"},

		{
			"several prefixes", net("module._orig_mod.model.backbone.", 0), torch.Options{},
			"|module._orig_mod.model.backbone.: conv[10]",
		},
		{"own prefix", net("my_great_net.", 0), torch.Options{}, "|my_great_net.: conv[10] head.weight[10]"},
		{"not all names have it", dict("model.w", one(0), "w", one(1)), torch.Options{}, "|: model.w[10] w[11]"},
		{"unknown network", dict("module.a.b", one(0), "module.c", one(1)), torch.Options{}, "|module.: a.b[10] c[11]"},
		{
			"classifier next to the backbone",
			dict(append(encoderPairs("backbone.", 0), "head.weight", matrix(1), "neck.fc.weight", one(2))...),
			torch.Options{},
			"|backbone.: patch_embed.proj.weight[10] blocks.0.attn.qkv.weight[10] head.weight[11]",
		},

		{
			"averaged", both, torch.Options{},
			"model_ema|module.: conv[12] head.weight[12] averaged; not model (2 tensors)",
		},
		{"averaged, wanted", both, torch.Options{Choice: torch.EMA}, "model_ema|module.: conv[12]"},
		{
			"plain", both, torch.Options{Choice: torch.Plain},
			"model|: conv[10] head.weight[10]; not model_ema.module (2 tensors)",
		},
		{"by key", both, torch.Options{Key: "model"}, "model|: conv[10] head.weight[10]"},
		{
			"by key, averaged", both, torch.Options{Key: "model_ema"},
			"model_ema|module.: conv[12] head.weight[12] averaged",
		},
		{
			"timm's key", dict("state_dict", net("", 0), "state_dict_ema", net("", 1)),
			torch.Options{}, "state_dict_ema|: conv[11] head.weight[11] averaged",
		},
		{
			"only averaged", dict("model_ema", net("", 1)), torch.Options{},
			"model_ema|: conv[11] head.weight[11] averaged",
		},
		{
			"only averaged, plain wanted", dict("model_ema", net("", 1)),
			torch.Options{Choice: torch.Plain},
			"it holds only averaged weights (model_ema (2 tensors)), no others (--weights plain)",
		},
		{
			"no averaged", dict("net", net("", 0)), torch.Options{Choice: torch.EMA},
			"it holds no averaged weights (--weights ema), only net (2 tensors)",
		},
		{
			"nested averages",
			dict("ckpt", dict("model", net("", 0), "ema", dict("shadow", net("", 1)))),
			torch.Options{},
			"ckpt.ema.shadow|: conv[11] head.weight[11] averaged; not ckpt.model",
		},
		{
			"average in one dict",
			dict(append(append(netPairs("online_model.", 0), netPairs("ema_model.", 1)...),
				"initted", scalar(2), "step", scalar(2))...),
			torch.Options{},
			"|ema_model.: conv[11] head.weight[11] averaged",
		},
		{
			"Lightning's average",
			dict(
				"state_dict", net("model.", 1), "current_model_state", net("model.", 0),
				"averaging_state", dict("n_averaged", scalar(2)),
			),
			torch.Options{},
			"state_dict|model.: conv[11] head.weight[11] averaged; not current_model_state.model",
		},
		{
			"average of a callback",
			dict(
				"state_dict", net("model.", 0), "callbacks",
				dict("EMACallback", dict("ema_state_dict", net("model.", 1))),
			),
			torch.Options{},
			"callbacks.EMACallback.ema_state_dict|model.: conv[11] head.weight[11] averaged; not state_dict.model",
		},
		{
			"teacher of the same network", dino, torch.Options{},
			"teacher|backbone.: patch_embed.proj.weight[11] blocks.0.attn.qkv.weight[11] averaged; not " +
				"student.module.backbone",
		},
		{"student", dino, torch.Options{Key: "student"}, "student|module.backbone.: patch_embed.proj.weight[10]"},
		{
			"teacher of another network",
			dict("student", net("", 0), "teacher", dict(append(netPairs("", 1), "head.bias", one(1))...)),
			torch.Options{}, "student|: conv[10]",
		},

		{
			"two of a kind", dict("generator", net("", 0), "other", net("", 1)), torch.Options{},
			"it holds several sets of weights: generator (2 tensors), other (2 tensors): say which with " +
				"--state-key, e.g. --state-key generator",
		},
		{
			"two of a kind, in settings", dict("generator", net("", 0), "other", net("", 1)),
			torch.Options{KeyOption: "distill.state_key"},
			"it holds several sets of weights: generator (2 tensors), other (2 tensors): say which with " +
				"distill.state_key",
		},
		{
			"two of a kind, one wrapped", dict("generator", net("", 0), "other", net("module.", 1)),
			torch.Options{},
			"it holds several sets of weights: generator (2 tensors), other.module (2 tensors)",
		},
		{
			"one of them", dict("generator", net("", 0), "other", net("", 1)),
			torch.Options{Key: "other"}, "other|: conv[11]",
		},
		{
			"no such key", dict("net", net("", 0)), torch.Options{Key: "nett"},
			`there are no weights under "nett" (--state-key), only under net (2 tensors)`,
		},
		{
			"key of a teacher in a criterion",
			dict("state_dict", dict(append(netPairs("model.", 0), netPairs("criterion.teacher_model.", 1)...)...)),
			torch.Options{Key: "state_dict.criterion"},
			"state_dict|criterion.teacher_model.: conv[11]",
		},
		{
			"criterion",
			dict(
				"state_dict",
				dict(append(netPairs("model._orig_mod.", 0), netPairs("criterion.teacher_model.", 1)...)...),
			),
			torch.Options{}, "state_dict|model._orig_mod.: conv[10] head.weight[10]",
		},
		{
			"criterion of an unknown network",
			dict("state_dict", dict("model._orig_mod.w", one(0), "criterion.teacher_model.w", one(1))),
			torch.Options{}, "state_dict|model._orig_mod.: w[10]",
		},

		{
			"averages without names",
			dict("model", net("", 0), "ema", dict("decay", number(1), "shadow_params", list(one(1), one(1)))),
			torch.Options{},
			"model|: conv[10] head.weight[10]; not ema.shadow_params (2 tensors) without names of a network",
		},
		{
			"a sparse tensor",
			dict("model", dict(append(netPairs("", 0),
				"head.bias", call(global("torch._utils", "_rebuild_sparse_tensor"), number(0)))...)),
			torch.Options{},
			"tensor model.head.bias is of a kind that is not supported (sparse_tensor in PyTorch): " +
				"save it as dense floats",
		},
		{
			"a tensor of 8 bits",
			dict("w", call(global("torch._utils", "_rebuild_tensor_v3"), number(0))),
			torch.Options{},
			"tensor w is of a kind that is not supported (tensor_v3 in PyTorch)",
		},
		{
			"a sparse tensor elsewhere",
			dict("model", net("", 0), "mask", call(global("torch._utils", "_rebuild_sparse_tensor"), number(0))),
			torch.Options{}, "model|: conv[10] head.weight[10]",
		},
		{"nothing", dict("epoch", number(3)), torch.Options{}, "there are no tensors in this PyTorch file, only epoch"},
		{
			"an object", call(global("torch.nn.modules.container", "Sequential")), torch.Options{},
			"it holds an object of class torch.nn.modules.container.Sequential, which is code",
		},
		{
			"an object in a dict", dict("model", call(global("models.yolo", "Model"))),
			torch.Options{},
			"there are no tensors in this PyTorch file that can be read: model is an object of class " +
				"models.yolo.Model, which is code",
		},
		{"no dict", one(0), torch.Options{}, "it holds no state dict"},
		// The other ways in which a tensor can be pickled.
		{
			"parameter",
			dict("w", call(global("torch._utils", "_rebuild_parameter"), one(0), "\x88", "N")),
			torch.Options{}, "|: w[10]",
		},
		{
			"subclass",
			dict(
				"w",
				call(
					global("torch._tensor", "_rebuild_from_type_v2"),
					global("torch._utils", "_rebuild_parameter"), global("torch.nn", "Parameter"),
					tuple(one(1), "\x88", "N"), dict(),
				),
			),
			torch.Options{}, "|: w[11]",
		},
	} {
		if got := read(c.object, c.o); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// A safetensors file may have two networks under different prefixes too.
func TestPrefixesInSafetensors(t *testing.T) {
	const conv, head = "stages.0.blocks.0.spatial_mixing.partial_conv3.weight", "head.weight"
	header := ""
	for i, name := range []string{"ema." + conv, "ema." + head, "model." + conv, "model." + head} {
		header += fmt.Sprintf(`,%q:{"dtype":"F32","shape":[1],"data_offsets":[%d,%d]}`, name, 4*i, 4*i+4)
	}
	raw := container("{"+header[1:]+"}", floats(1, 2, 3, 4))
	for _, c := range []struct {
		choice torch.Choice
		want   float32
	}{{torch.Auto, 1}, {torch.EMA, 1}, {torch.Plain, 3}} {
		t.Run(fmt.Sprint(c.choice), func(t *testing.T) {
			s, err := parse(raw, torch.Options{Choice: c.choice})
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Tensors) != 2 || s.Tensors[0].Name != conv || s.Tensors[0].F32[0] != c.want ||
				s.Averaged != (c.choice != torch.Plain) {
				t.Errorf("%s: %+v", c.choice, s)
			}
		})
	}
}
