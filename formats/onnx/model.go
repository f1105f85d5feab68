package onnx

import (
	"fmt"
	"math"
	"slices"
)

// Model is an ONNX file.
type Model struct {
	IRVersion       int64
	Producer        string
	ProducerVersion string
	Opset           int64 // version of the default operator set
	Graph           Graph
	Meta            map[string]string

	// Unknown lists the first fields of a file that have no place in this type, by their path.
	Unknown []string
}

// The operator sets that can be written.
const (
	FirstOpset = 13
	LastOpset  = 28
	// LastInt8Opset is the last one for int8 models: ONNX Runtime 1.32 lacks QuantizeLinear and
	// DequantizeLinear of set 28.
	LastInt8Opset = 27
)

// irVersions has the versions of the file format that came with operator sets, each with the last
// set for it.
var irVersions = []struct{ to, version int }{
	{14, 7},
	{18, 8},
	{20, 9},
	{22, 10},
	{23, 11},
	{24, 12},
	{27, 13},
	{LastOpset, 14},
}

// IRVersion returns the version of the file format that came with an operator set. Every runtime
// that knows the operators can read it.
func IRVersion(opset int) (int64, error) {
	if opset >= FirstOpset {
		for _, v := range irVersions {
			if opset <= v.to {
				return int64(v.version), nil
			}
		}
	}
	return 0, fmt.Errorf("onnx: opset %d: want %d to %d", opset, FirstOpset, LastOpset)
}

// Graph is the computation. Nodes are in the order of execution.
type Graph struct {
	Name            string
	Nodes           []Node
	Initializers    []Tensor
	Inputs, Outputs []Value
}

// Node is an operation of the default operator set.
type Node struct {
	Name, Op        string
	Inputs, Outputs []string
	Attributes      []Attribute
}

// Attribute is a constant of a node. Type says which of Int, Float and Ints is set.
type Attribute struct {
	Name  string
	Type  AttributeType
	Int   int64
	Float float32
	Ints  []int64
}

// AttributeType is the type of an attribute.
type AttributeType int

// The types of attributes, with the numbers of onnx.proto.
const (
	FloatAttribute AttributeType = 1
	IntAttribute   AttributeType = 2
	IntsAttribute  AttributeType = 7
)

// Int makes an attribute of an integer.
func Int(name string, v int) Attribute {
	return Attribute{Name: name, Type: IntAttribute, Int: int64(v)}
}

// Float makes an attribute of a number.
func Float(name string, v float32) Attribute {
	return Attribute{Name: name, Type: FloatAttribute, Float: v}
}

// Ints makes an attribute of a list of integers.
func Ints(name string, vs ...int) Attribute {
	a := Attribute{Name: name, Type: IntsAttribute}
	for _, v := range vs {
		a.Ints = append(a.Ints, int64(v))
	}
	return a
}

// ElemType is the type of a tensor's elements, with the numbers of onnx.proto.
type ElemType int

// The types of elements.
const (
	Float32 ElemType = 1
	Uint8   ElemType = 2
	Int8    ElemType = 3
	Int32   ElemType = 6
	Int64   ElemType = 7
	Float16 ElemType = 10
)

// sizes has the bytes of a value of each type.
var sizes = map[ElemType]int{Float32: 4, Uint8: 1, Int8: 1, Int32: 4, Int64: 8, Float16: 2}

// Tensor is a constant in row-major order. One of F32, I64 and Raw is set. All are nil in a tensor
// of an unknown type that was read from a file.
type Tensor struct {
	Name  string
	Shape []int
	F32   []float32
	I64   []int64
	// Raw are the values of any other type as the file has them, the lowest byte first.
	Type ElemType // of Raw; 0 if Raw is nil
	Raw  []byte
}

// Lookup finds an initializer by its name.
func (g *Graph) Lookup(name string) (Tensor, bool) {
	i := slices.IndexFunc(g.Initializers, func(t Tensor) bool { return t.Name == name })
	if i < 0 {
		return Tensor{}, false
	}
	return g.Initializers[i], true
}

// Value is an input or an output of the graph.
type Value struct {
	Name  string
	Type  ElemType
	Shape []Dim
}

// Dim is a dimension: a size, or a name for one that is chosen at run time.
type Dim struct {
	Size int64
	Name string
}

// sizeOf returns the number of elements of a shape; ok is false if it is not a shape, or too large
// for memory.
func sizeOf(shape []int) (n int, ok bool) {
	n = 1
	for _, d := range shape {
		if d < 0 || d > 0 && n > math.MaxInt32/d {
			return 0, false
		}
		n *= d
	}
	return n, true
}
