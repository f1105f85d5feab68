package swin

import (
	"fmt"

	"fasternet/configs"
	"fasternet/formats/torch"
	"fasternet/graph/foreign"
)

// shiftMasks returns the masks of shifted windows for images of a size, [windows, tokens, tokens]
// with -100 between tokens that are not neighbours. The state dicts of Microsoft's code and of
// LocalMIM hold them.
func shiftMasks(n torch.Naming, m configs.Model, imageSize int) (out []foreign.Tensor) {
	c, ok := m.Arch.(Config)
	if !ok || n == torch.Timm || n == torch.Torchvision {
		return nil
	}
	sides := windowSides(c, imageSize)
	for i, depth := range c.Depths {
		tokens := c.Side(imageSize) >> i
		side := sides[i]
		shift := Stage{Side: side}.Shift(tokens, tokens)
		if shift == 0 || tokens%side != 0 {
			continue
		}
		mask := foreign.Tensor{
			Shape: []int{tokens / side * (tokens / side), side * side, side * side},
			F32:   shiftMask(tokens, side, shift),
		}
		for j := 1; j < depth; j += 2 {
			mask.Name = fmt.Sprintf("layers.%d.blocks.%d.attn_mask", i, j)
			out = append(out, mask)
		}
	}
	return out
}

// shiftMask returns the mask for a map of n×n tokens.
func shiftMask(n, side, shift int) []float32 {
	// The last window of the rolled map has parts from the opposite border.
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
