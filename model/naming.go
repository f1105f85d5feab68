package model

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"fasternet/formats"
	"fasternet/formats/torch"
	"fasternet/graph"
	"fasternet/graph/foreign"
)

// ErrNaming says that a family has no names of this kind.
var ErrNaming = errors.New("there are no such names")

// ErrOtherCode says that the program with these names computes something else.
var ErrOtherCode = errors.New("would compute something else")

// Export returns the state of a model as a bare state dict with the names and the layout of another
// program. The error wraps ErrNaming if that program has no such network, and ErrOtherCode if it would
// compute other logits from these tensors. The tensors share memory with the model.
func Export(l *Loaded, n torch.Naming) ([]formats.Tensor, error) {
	family := torch.Family(l.Config.Model.Name)
	if known := torch.Namings(family); !slices.Contains(known, n) {
		return nil, fmt.Errorf("%w for a %s: %s; it has %s", ErrNaming, title(family), n, joinNamings(known))
	}
	if err := l.computedBy(n); err != nil {
		var same []torch.Naming
		for _, other := range torch.Namings(family) {
			if l.computedBy(other) == nil {
				same = append(same, other)
			}
		}
		if len(same) > 0 {
			err = fmt.Errorf("%w; %s have the same computation as the model", err, joinNamings(same))
		}
		return nil, err
	}
	f, m := weightsOf(family), l.Config.Model
	var out []formats.Tensor
	add := func(ts []foreign.Tensor) {
		for _, t := range ts {
			out = append(out, formats.Tensor{
				Name:  torch.NameOf(family, n, t.Name),
				Shape: t.Shape,
				F32:   t.F32,
				I64:   t.I64,
			})
		}
	}
	if err := NotInt8(l.Model); err != nil {
		return nil, err
	}
	for _, t := range Tensors(l.Model.Store()) {
		if l.lacks(t.Name) {
			continue
		}
		ours := foreign.Tensor{Name: t.Name, Shape: t.Shape, F32: t.F32, I64: t.I64}
		if f.Written == nil {
			add([]foreign.Tensor{ours})
			continue
		}
		add(f.Written(n, m, ours))
	}
	if f.Added != nil {
		add(f.Added(n, m, l.Config.Data.ImageSize))
	}
	return out, nil
}

func joinNamings(known []torch.Naming) string {
	names := make([]string, len(known))
	for i, n := range known {
		names[i] = string(n)
	}
	return strings.Join(names, ", ")
}

// programs puts the namings into words.
var programs = map[torch.Naming]string{
	torch.Official:    "the official code",
	torch.LocalMIM:    "LocalMIM",
	torch.Timm:        "timm",
	torch.Torchvision: "torchvision",
	torch.Microsoft:   "Microsoft's code",
}

// computedBy returns an error if a program computes something else than the model, and names the difference.
func (l *Loaded) computedBy(n torch.Naming) error {
	family, ok := graph.FamilyOf(l.Config.Model.Name)
	if !ok {
		return fmt.Errorf("%w for a %s: what other programs compute for it is unknown", ErrNaming, l.Config.Model.Name)
	}
	differs := family.Weights.Differs
	if differs == nil { // it has only its own names
		return nil
	}
	settings, other := differs(n, l.Config.Model, l.Config.Data.ImageSize, folded(l.Model))
	if len(settings)+len(other) == 0 {
		return nil
	}
	remedy := ""
	if len(other) == 0 {
		remedy = "; to make that model anyway, add --set for each"
	}
	return fmt.Errorf("%s %w of these weights: it has %s%s",
		programs[n], ErrOtherCode, strings.Join(append(settings, other...), ", "), remedy)
}
