package model

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"fasternet/formats"
	"fasternet/formats/torch"
	"fasternet/graph/swin"
)

// ErrNaming says that a family has no such naming.
var ErrNaming = errors.New("there are no such names")

// ErrOtherCode says that the program whose names are asked for computes something else.
var ErrOtherCode = errors.New("would compute something else")

// Export is the state of a model as a bare state dict with the names, and in the layout,
// of another program. The error wraps ErrNaming if that program has no such network, and
// ErrOtherCode if it would compute other logits of these tensors. The tensors share
// memory with the model.
func Export(l *Loaded, n torch.Naming) ([]formats.Tensor, error) {
	family := torch.Family(l.Config.Model.Name)
	if known := torch.Namings(family); !slices.Contains(known, n) {
		return nil, fmt.Errorf("%w for a %s: %s; it has %s", ErrNaming, familyName(family), n, joinNamings(known))
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
	var out []formats.Tensor
	for _, t := range Tensors(l.Model.Store()) {
		if l.Headless && slices.Contains(classifier, t.Name) {
			continue
		}
		if strings.HasSuffix(t.Name, ".relative_position_index") {
			switch n {
			case torch.Timm: // not part of the state
				continue
			case torch.Torchvision:
				t.Shape = []int{len(t.I64)}
			}
		}
		if bias, ok := strings.CutSuffix(t.Name, ".attn.qkv.weight"); ok && n == torch.Torchvision && !l.Config.Model.QKVBias {
			out = append(out, formats.Tensor{Name: torch.NameOf(family, n, bias+".attn.qkv.bias"), Shape: t.Shape[:1], F32: make([]float32, t.Shape[0])})
		}
		t.Name = torch.NameOf(family, n, t.Name)
		out = append(out, t)
	}
	if m, ok := l.Model.(*swin.Model); ok && n != torch.Timm && n != torch.Torchvision {
		out = append(out, shiftMasks(m, l.Config.Data.ImageSize)...)
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

// programs are the namings in words.
var programs = map[torch.Naming]string{
	torch.Official: "the official code", torch.LocalMIM: "LocalMIM", torch.Timm: "timm", torch.Torchvision: "torchvision", torch.Microsoft: "Microsoft's code",
}

// computedBy says whether a program computes what the model does. The error names what
// it has instead.
func (l *Loaded) computedBy(n torch.Naming) error {
	m, size := l.Config.Model, l.Config.Data.ImageSize
	var settings, other []string // that the program has: which the user can set, and which not
	switch m.Name {
	case "fasternet":
		if n == torch.Timm {
			if m.PatchStride != m.PatchSize || m.PatchStride2 != m.PatchSize2 {
				other = append(other, "patches that do not overlap (model.patch_stride, model.patch_stride2)")
			}
			if folded(l.Model) {
				other = append(other, "batch norms, which are folded into the convolutions here")
			}
		}
	case "vit":
		if m.NormEps != vitEps {
			settings = append(settings, fmt.Sprintf("model.norm_eps=%g", vitEps))
		}
		if n == torch.Torchvision && m.GlobalPool {
			settings = append(settings, "model.global_pool=false")
		}
		if (n == torch.Official || n == torch.LocalMIM) && m.GlobalPool && m.NormBeforePool {
			settings = append(settings, "model.norm_before_pool=false")
		}
	case "swin":
		code := localMIM
		if n != torch.Official && n != torch.LocalMIM {
			code = microsoft
			if stage := paddedStage(m, size, n); stage > 0 {
				other = append(other, fmt.Sprintf("maps that are multiples of the windows: for images of %d pixels (data.image_size) stage %d has others", size, stage))
			}
		}
		settings = append(settings, code.differences(m)...)
		if !m.PatchNorm && (n == torch.Timm || n == torch.Torchvision) {
			other = append(other, "a norm after the patches (model.patch_norm)")
		}
	default:
		return fmt.Errorf("%w for a %s: what other programs compute of it is not known", ErrNaming, m.Name)
	}
	if len(settings)+len(other) == 0 {
		return nil
	}
	remedy := ""
	if len(other) == 0 {
		remedy = "; if the model is to be that one all the same, add --set for each"
	}
	return fmt.Errorf("%s %w of these weights: it has %s%s", programs[n], ErrOtherCode, strings.Join(append(settings, other...), ", "), remedy)
}

// shiftMasks are the masks of Swin's shifted windows for images of a size, [windows,
// tokens, tokens] with -100 between tokens that are no neighbours, which the state dicts of
// Microsoft's code and of LocalMIM hold.
func shiftMasks(m *swin.Model, imageSize int) []formats.Tensor {
	c := m.Config()
	var out []formats.Tensor
	for i, depth := range c.Depths {
		tokens := c.Side(imageSize) >> i
		side, shift := m.Window(i, tokens, tokens)
		if shift == 0 || tokens%side != 0 {
			continue
		}
		mask := formats.Tensor{Shape: []int{tokens / side * (tokens / side), side * side, side * side}, F32: shiftMask(tokens, side, shift)}
		for j := 1; j < depth; j += 2 {
			mask.Name = fmt.Sprintf("layers.%d.blocks.%d.attn_mask", i, j)
			out = append(out, mask)
		}
	}
	return out
}

// shiftMask is the mask for a map of n×n tokens.
func shiftMask(n, side, shift int) []float32 {
	// Of the rolled map, the last window has parts that come from the other border.
	part := func(at int) int {
		switch {
		case at < n-side:
			return 0
		case at < n-shift:
			return 1
		}
		return 2
	}
	var out []float32
	for top := 0; top < n; top += side {
		for left := 0; left < n; left += side {
			var region []int
			for y := top; y < top+side; y++ {
				for x := left; x < left+side; x++ {
					region = append(region, 3*part(y)+part(x))
				}
			}
			for _, a := range region {
				for _, b := range region {
					if a == b {
						out = append(out, 0)
					} else {
						out = append(out, -100)
					}
				}
			}
		}
	}
	return out
}
