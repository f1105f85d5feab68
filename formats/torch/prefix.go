package torch

import (
	"slices"
	"strings"
)

// wrappers are names of modules that only hold a network: in PyTorch (DistributedDataParallel,
// compile), in averages, and in people's own code.
var wrappers = []string{
	"module", "_orig_mod", "model", "net", "network", "backbone", "encoder", "student", "teacher",
	"ema", "ema_model", "model_ema", "online_model", "averaged_model",
	"base_model", "base_encoder", "trunk", "_forward_module",
}

// counters are names of counters of averages, which are not tensors of a network: in PyTorch's
// AveragedModel, in MMEngine and in ema-pytorch.
var counters = []string{"n_averaged", "num_updates", "initted", "steps", "step", "decay"}

// isCounter says whether a tensor counts the updates of an average; sure says that only averages
// have this name.
func isCounter(name string, elements int) (is, sure bool) {
	i := slices.Index(counters, name[strings.LastIndexByte(name, '.')+1:])
	return elements == 1 && i >= 0 && strings.Count(name, ".") <= 1, i >= 0 && i <= 2
}

// sharedPrefix returns the longest prefix that all names have and that consists of wrappers, such
// as "module.backbone.". It may have other parts too if a known network is left without them.
func sharedPrefix(names []string) string {
	prefix, known := "", ""
	rest := names
	for range 8 {
		if _, _, ok := Recognise(rest); ok {
			return prefix
		}
		part := sharedPart(rest)
		if part == "" {
			break
		}
		if prefix += part; slices.Contains(wrappers, strings.TrimSuffix(part, ".")) && known+part == prefix {
			known = prefix
		}
		rest = cut(rest, part)
	}
	return known
}

// sharedPart returns the first part of the names, with its dot, if all have the same.
func sharedPart(names []string) string {
	if len(names) == 0 {
		return ""
	}
	head, rest, ok := strings.Cut(names[0], ".")
	if !ok || rest == "" {
		return ""
	}
	for _, n := range names {
		if tail, ok := strings.CutPrefix(n, head+"."); !ok || tail == "" {
			return ""
		}
	}
	return head + "."
}

// cut cuts a prefix off the names that have it.
func cut(names []string, prefix string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = strings.TrimPrefix(n, prefix)
	}
	return out
}

// firstParts returns the different first parts of the names in order, at most one more than
// maxNetworks.
func firstParts(names []string) []string {
	var out []string
	for _, n := range names {
		if len(out) > maxNetworks {
			break
		}
		if head, rest, ok := strings.Cut(n, "."); ok && rest != "" && !slices.Contains(out, head) {
			out = append(out, head)
		}
	}
	return out
}
