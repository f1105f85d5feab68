package onnxgraph

import (
	"errors"
	"fmt"
	"strings"

	"fasternet/graph"
	"fasternet/ops"

	"gorgonia.org/tensor"
)

// Layout is the layout of a value in the ONNX graph. On the tape, a map is always [batch, height, width,
// channels], and tokens are [batch, …, channels].
type Layout int

// The layouts.
const (
	MapLayout     Layout = iota // [batch, channels, height, width]
	TokenLayout                 // [batch, tokens, channels]
	PixelLayout                 // [batch, channels, 1, 1]
	FeatureLayout               // [batch, channels]
)

func (l Layout) String() string {
	switch l {
	case MapLayout:
		return "a map [batch, channels, height, width]"
	case TokenLayout:
		return "tokens [batch, tokens, channels]"
	case PixelLayout:
		return "a pixel [batch, channels, 1, 1]"
	case FeatureLayout:
		return "features [batch, channels]"
	}
	return fmt.Sprintf("layout %d", int(l))
}

// Value is a result in the ONNX graph.
type Value struct {
	Name   string // name of the output of a node
	Layout Layout
	// Shape is the shape on the tape, for a batch of 1: [1, height, width, channels] for a map. A
	// form need not set the shape of its result.
	Shape tensor.Shape
}

// Op is a recorded op that becomes part of the ONNX graph.
type Op struct {
	ops.Recorded
	Inputs []Value // in the order of From: results of other ops and the images, without parameters
}

// Input returns the only input of the op in one of the layouts. If the value has a different layout, Input
// adds nodes that convert it to the first one. It is an error if that is not possible, or if the op has
// several inputs.
func (o Op) Input(b *Builder, layouts ...Layout) (Value, error) {
	if len(o.Inputs) != 1 {
		return Value{}, fmt.Errorf("it reads %d values, but its ONNX form only one", len(o.Inputs))
	}
	return b.As(o.Inputs[0], layouts...)
}

// forms holds the form of every kind of op.
var forms = map[string]func(b *Builder, op Op) (Value, error){}

// Register says how ops of a kind ([ops.Spec].Kind) are computed in ONNX. A program with its own ops
// calls it from an init function. All ops of this program are registered in the same way. It panics if
// the kind already has a form.
//
// The form adds nodes to the graph and returns the value of the result; its errors end the export with a
// message that names the op. The ONNX graph is for inference, in folded form. A is the type of
// [ops.Spec].About, which gives the form the parameters and sizes of the op: an op of the same kind with
// another type is an error. Use any if the ops have none.
//
// When an exported file is read again, the graph is built a second time from the configuration and must
// be the same. So a form must depend only on the op, and must not make constants from the values of
// parameters: these are initializers of the graph with their own names and shapes ([Builder.Param]), and
// a node such as [Builder.Transpose] changes their layout. Runtimes compute such a node once, when they
// load the file.
func Register[A any](kind string, form func(b *Builder, op Op, about A) (Value, error)) {
	if kind == "" || form == nil {
		panic("onnxgraph: Register needs the kind of an op, and its form")
	}
	if _, ok := forms[kind]; ok {
		panic(fmt.Sprintf("onnxgraph: ops of kind %s already have an ONNX form: give the new op its own kind", kind))
	}
	forms[kind] = func(b *Builder, op Op) (Value, error) {
		about, ok := op.About.(A)
		if !ok {
			if _, all := any(&about).(*any); !all || op.About != nil {
				return Value{}, fmt.Errorf("the op is described by a %T, but the ONNX form of its kind is for a %T: "+
					"give the op its own kind", op.About, about)
			}
		}
		return form(b, op, about)
	}
}

// NoFormError says that ops of a kind cannot be exported, because no form is registered for them.
type NoFormError struct {
	Kind, Name string // of the op
	Part       string // part of the model; may be empty
}

func (e *NoFormError) Error() string {
	of := ""
	if e.Part != "" && e.Part != e.Name {
		of = fmt.Sprintf(" (in %s)", e.Part)
	}
	return fmt.Sprintf("onnx: %s %q%s has no ONNX form: the program that adds the op adds one with onnxgraph.Register",
		e.Kind, e.Name, of)
}

// The forms of our own ops.
func init() {
	Register(ops.KindActivate, activate)
	Register(ops.KindAdd, add)
	Register(ops.KindAttentionBlock, attentionBlock)
	Register(ops.KindBranch, pass)
	Register(ops.KindDequantise, dequantise)
	Register(ops.KindEmbed, embed)
	Register(ops.KindFasterNetBlock, fasterNetBlock)
	Register(ops.KindGlobalAvgPool, globalAvgPool)
	Register(ops.KindLayerNorm, normalise)
	Register(ops.KindLinear, linear)
	Register(ops.KindMLPBlock, mlpBlock)
	Register(ops.KindMeanTokens, tokenMean)
	Register(ops.KindPatchConvNorm, patchConv)
	Register(ops.KindPatchEmbed, patchEmbed)
	Register(ops.KindPatchMerge, patchMerge)
	Register(ops.KindQuantise, quantise)
	Register(ops.KindSide, pass)
}

// errUnfolded says that a model can be exported only in folded form.
var errUnfolded = errors.New("its batch norm or layer scale is not folded, and has no ONNX form: " +
	"the model must be a graph.Foldable")

// walk adds the nodes of the ops in order to a graph for images, and returns the result of the last
// one.
func (b *Builder) walk(recorded []ops.Recorded, input Value) (Value, error) {
	values := make([]Value, len(recorded))
	for i, r := range recorded {
		add, ok := forms[r.Kind]
		if !ok {
			return Value{}, &NoFormError{r.Kind, r.Name, r.Part}
		}
		op := Op{Recorded: r}
		for i, from := range r.From {
			switch {
			case from >= 0:
				op.Inputs = append(op.Inputs, values[from])
			case r.InputNames[i] == graph.Images:
				op.Inputs = append(op.Inputs, input)
			default:
				return Value{}, fmt.Errorf("onnx: %s %q reads the input %q, which the ONNX graph does not have",
					r.Kind, r.Name, r.InputNames[i])
			}
		}
		v, err := b.apply(add, op)
		if err != nil {
			return Value{}, fmt.Errorf("onnx: %s %q: %w", r.Kind, r.Name, err)
		}
		v.Shape = r.Shape
		values[i] = v
	}
	if len(values) == 0 {
		return input, nil
	}
	return values[len(values)-1], nil
}

// apply adds the nodes of an op.
func (b *Builder) apply(form func(b *Builder, op Op) (Value, error), op Op) (v Value, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("its ONNX form panicked: %v", p)
		}
	}()
	if v, err = form(b, op); err != nil {
		return v, err
	}
	if b.err != nil {
		return v, b.err
	}
	if !b.known[v.Name] {
		return v, fmt.Errorf("its ONNX form returns the value %q, which no node computes", v.Name)
	}
	return v, nil
}

// layerName returns the layer of a parameter: "head" for "head.weight".
func layerName(p *ops.Param) string { return p.Name[:strings.LastIndexByte(p.Name, '.')] }

// parent returns the part that contains a layer: "blocks.0" for "blocks.0.mlp".
func parent(name string) string { return name[:max(strings.LastIndexByte(name, '.'), 0)] }

// tokens returns the number of tokens of an image in a shape of the tape.
func tokens(s tensor.Shape) int { return s.TotalSize() / s[0] / s[len(s)-1] }
