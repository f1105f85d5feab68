package onnxgraph

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"fasternet/formats/onnx"
	"fasternet/graph"
	"fasternet/ops"
)

// Builder collects the nodes of a graph. Its methods add nodes and return the names of their results.
// The only result of a node has the name of the node. Errors of nodes become the error of the op, after
// its form has returned.
type Builder struct {
	opset        int
	nodes        []onnx.Node
	initializers []onnx.Tensor
	known        map[string]bool // values that nodes may read
	names        map[string]bool // names of nodes
	converted    map[conversion]Value
	grids        map[string]string // the name of the grid of each value in 8 bits
	int8         map[*ops.Param]*ops.Int8Weight
	err          error
}

type conversion struct {
	name string
	to   Layout
}

// newBuilder starts a graph with the parameters and buffers of a model; of an encoder, without parameters
// that its ops do not read.
func newBuilder(m graph.Model, o Options, recorded []ops.Recorded) *Builder {
	b := &Builder{
		opset:     o.Opset,
		known:     map[string]bool{Input: true},
		names:     map[string]bool{},
		converted: map[conversion]Value{},
		grids:     map[string]string{},
	}
	read := map[*ops.Param]bool{}
	for _, r := range recorded {
		for _, p := range r.Params {
			read[p] = true
		}
	}
	weights, replaced := int8Weights(m)
	b.int8 = weights
	for _, e := range m.Store().Entries {
		if replaced[e.Param] || o.Features != "" && e.Param != nil && !read[e.Param] {
			continue
		}
		if w := weights[e.Param]; w != nil {
			b.addInt8(e, w)
			continue
		}
		t := onnx.Tensor{Name: e.Name, Shape: slices.Clone([]int(e.Shape))}
		switch {
		case e.Param != nil:
			t.F32 = e.Param.Data()
		case e.Counter != nil:
			t.Shape, t.I64 = []int{}, []int64{*e.Counter}
		default:
			t.F32 = e.Buffer
		}
		b.Constant(t)
	}
	return b
}

// fail sets the error of the op, unless it already has one.
func (b *Builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf(format, args...)
	}
}

// finish makes a value the output of the graph, under that name.
func (b *Builder) finish(v Value, output string) error {
	if v.Layout != FeatureLayout {
		return fmt.Errorf("onnx: the last op returns %v, want %v", v.Layout, FeatureLayout)
	}
	if v.Name == Input || len(b.nodes) == 0 {
		return errors.New("onnx: the model has no ops")
	}
	rename := func(names []string) {
		for i := range names {
			if names[i] == v.Name {
				names[i] = output
			}
		}
	}
	for i := range b.nodes {
		rename(b.nodes[i].Inputs)
		rename(b.nodes[i].Outputs)
	}
	return nil
}

// Opset returns the version of the operator set, 13 to [onnx.LastOpset]. Nodes may use its operators.
func (b *Builder) Opset() int { return b.opset }

// Name returns an unused name for a node: base, or base with a number. A good base is the layer's name
// with a word for the step: "stages.0.dw.padded".
func (b *Builder) Name(base string) string {
	name := base
	for i := 2; b.names[name] || b.known[name]; i++ {
		name = fmt.Sprintf("%s.%d", base, i)
	}
	return name
}

// Node adds a node of an ONNX operator with one result, and returns the name of the result, which is
// the name of the node. The inputs are results of other nodes, initializers, or "" for an optional input
// that is left out.
func (b *Builder) Node(op, name string, inputs []string, attributes ...onnx.Attribute) string {
	b.Add(onnx.Node{Name: name, Op: op, Inputs: inputs, Outputs: []string{name}, Attributes: attributes})
	return name
}

// Add adds any node. Names of nodes and results must be new, and the inputs must exist.
func (b *Builder) Add(n onnx.Node) {
	for _, in := range n.Inputs {
		if in != "" && !b.known[in] {
			b.fail("the node %s %q reads %q, which does not exist", n.Op, n.Name, in)
		}
	}
	if n.Name == "" || b.names[n.Name] {
		b.fail("the name %q of a node %s is empty or taken: Builder.Name makes a free one", n.Name, n.Op)
	}
	b.names[n.Name] = true
	for _, out := range n.Outputs {
		if b.known[out] || out == Output || out == FeaturesOutput {
			b.fail("the node %s %q computes %q, which already exists", n.Op, n.Name, out)
		}
		b.known[out] = true
	}
	b.nodes = append(b.nodes, n)
}

// Param returns the name of the initializer of a parameter, which has the shape of the state dict.
func (b *Builder) Param(p *ops.Param) string {
	if p == nil {
		b.fail("a parameter is nil")
		return ""
	}
	if !b.known[p.Name] {
		b.fail("the parameter %q does not belong to the model", p.Name)
	}
	return p.Name
}

// Constant adds an initializer other than a parameter, once for each name: a second one with the same
// name must have the same shape, and counts as the same. Its values depend only on the sizes of the
// model, never on parameters.
func (b *Builder) Constant(t onnx.Tensor) string {
	if !b.known[t.Name] {
		b.known[t.Name] = true
		b.initializers = append(b.initializers, t)
		return t.Name
	}
	i := slices.IndexFunc(b.initializers, func(o onnx.Tensor) bool { return o.Name == t.Name })
	if i < 0 || !slices.Equal(b.initializers[i].Shape, t.Shape) {
		b.fail("there is already another value %q", t.Name)
	}
	return t.Name
}

// reduce adds a reduction over axes. Before opset 18, the axes are an attribute.
func (b *Builder) reduce(op, name, x string, keep int, axes ...int) string {
	if b.opset < 18 {
		return b.Node(op, name, []string{x}, onnx.Ints("axes", axes...), onnx.Int("keepdims", keep))
	}
	return b.Node(op, name, []string{x, b.Ints(axes...)}, onnx.Int("keepdims", keep))
}

// Ints adds a list of integers, the form of shapes and axes in operators.
func (b *Builder) Ints(vs ...int) string {
	t := onnx.Tensor{Name: "ints", Shape: []int{len(vs)}}
	for _, v := range vs {
		t.I64 = append(t.I64, int64(v))
		t.Name += fmt.Sprintf(".%d", v)
	}
	return b.Constant(t)
}

// Scalar adds a number.
func (b *Builder) Scalar(name string, v float32) string {
	return b.Constant(onnx.Tensor{Name: name, Shape: []int{}, F32: []float32{v}})
}

// Reshape adds a change of shape; 0 keeps the size of the input in that place, such as the batch.
func (b *Builder) Reshape(name, x string, shape ...int) string {
	return b.Node("Reshape", name, []string{x, b.Ints(shape...)})
}

// Transpose adds a change of the order of axes.
func (b *Builder) Transpose(name, x string, order ...int) string {
	return b.Node("Transpose", name, []string{x}, onnx.Ints("perm", order...))
}

// Slice adds a cut of the places from, …, to-1 of an axis.
func (b *Builder) Slice(name, x string, axis, from, to int) string {
	return b.Node("Slice", name, []string{x, b.Ints(from), b.Ints(to), b.Ints(axis)})
}

// Split adds a split of an axis into parts of the given sizes, and returns the parts.
func (b *Builder) Split(name, x string, axis int, sizes ...int) []string {
	t := onnx.Tensor{Name: "split", Shape: []int{len(sizes)}}
	var parts []string
	for i, n := range sizes {
		t.I64 = append(t.I64, int64(n))
		t.Name += fmt.Sprintf(".%d", n)
		parts = append(parts, fmt.Sprintf("%s.%d", name, i))
	}
	b.Add(onnx.Node{
		Name:       name,
		Op:         "Split",
		Inputs:     []string{x, b.Constant(t)},
		Outputs:    parts,
		Attributes: []onnx.Attribute{onnx.Int("axis", axis)},
	})
	return parts
}

// As returns a value in one of the layouts: unchanged, or converted to the first one.
func (b *Builder) As(v Value, layouts ...Layout) (Value, error) {
	if len(layouts) == 0 || slices.Contains(layouts, v.Layout) {
		return v, nil
	}
	to := conversion{v.Name, layouts[0]}
	if c, ok := b.converted[to]; ok {
		return c, nil
	}
	c := Value{Layout: to.to, Shape: v.Shape}
	s := v.Shape
	switch {
	case v.Layout == MapLayout && to.to == TokenLayout && s.Dims() == 4:
		flat := b.Reshape(b.Name(v.Name+".flat"), v.Name, 0, s[3], s[1]*s[2])
		c.Name = b.Transpose(b.Name(v.Name+".tokens"), flat, 0, 2, 1)
	case v.Layout == TokenLayout && to.to == MapLayout && s.Dims() == 4:
		turned := b.Transpose(b.Name(v.Name+".channels"), v.Name, 0, 2, 1)
		c.Name = b.Reshape(b.Name(v.Name+".map"), turned, 0, s[3], s[1], s[2])
	case v.Layout == PixelLayout && to.to == FeatureLayout:
		c.Name = b.Node("Flatten", b.Name(v.Name+".features"), []string{v.Name}, onnx.Int("axis", 1))
	default:
		var want []string
		for _, l := range layouts {
			want = append(want, l.String())
		}
		return Value{}, fmt.Errorf("its input %s is %v of shape %v, but its ONNX form needs %s",
			v.Name, v.Layout, s, strings.Join(want, " or "))
	}
	b.converted[to] = c
	return c, nil
}
