package onnxgraph

import (
	"fmt"
	"strings"

	"fasternet/ops"

	"gorgonia.org/tensor"
)

// layout is how a value lies in the ONNX graph. In ours a map is always [batch, height,
// width, channels].
type layout int

const (
	mapLayout     layout = iota // [batch, channels, height, width]
	tokenLayout                 // [batch, tokens, channels]
	pixelLayout                 // [batch, channels, 1, 1]
	featureLayout               // [batch, channels]
)

// value is a result in the graph.
type value struct {
	name   string
	layout layout
}

// form is the ONNX form of an op: it adds nodes for the value x, and returns the result.
type form func(b *builder, r ops.Recorded, x value) (value, error)

// forms are those of all kinds of ops, by ops.Recorded.Kind. What has none cannot be
// exported.
var forms = map[string]form{
	"PatchConvNorm":  patchConv,
	"FasterNetBlock": fasterNetBlock,
	"GlobalAvgPool":  globalAvgPool,
	"Activate":       activate,
	"Linear":         linear,
	"PatchEmbed":     patchEmbed,
	"Embed":          embed,
	"AttentionBlock": attentionBlock,
	"MLPBlock":       mlpBlock,
	"PatchMerge":     patchMerge,
	"MeanTokens":     tokenMean,
	"LayerNorm":      normalise,
}

// walk adds the nodes of the ops in their order; the last one computes the logits.
func (b *builder) walk(recorded []ops.Recorded) error {
	values := make([]value, len(recorded))
	for i, r := range recorded {
		add, ok := forms[r.Kind]
		if !ok {
			return fmt.Errorf("onnx: %s %q has no ONNX form", r.Kind, r.Name)
		}
		if len(r.From) != 1 {
			return fmt.Errorf("onnx: %s %q reads %d values, want one", r.Kind, r.Name, len(r.From))
		}
		x := value{Input, mapLayout}
		if r.From[0] >= 0 {
			x = values[r.From[0]]
		}
		var err error
		if values[i], err = add(b, r, x); err != nil {
			return fmt.Errorf("onnx: %s %q: %w", r.Kind, r.Name, err)
		}
	}
	return nil
}

// layerName is what a parameter belongs to: "head" for "head.weight".
func layerName(p *ops.Param) string { return p.Name[:strings.LastIndexByte(p.Name, '.')] }

// want returns an error unless a value lies as an op needs it.
func (v value) want(layouts ...layout) error {
	for _, l := range layouts {
		if v.layout == l {
			return nil
		}
	}
	return fmt.Errorf("its input %s has another layout than its ONNX form needs", v.name)
}

// tokens is the number of tokens of an image in a shape of ours.
func tokens(s tensor.Shape) int { return s.TotalSize() / s[0] / s[len(s)-1] }
