package ops

import (
	"encoding/binary"
	"fmt"
	"hash"
	"hash/fnv"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// spec describes an operation to be recorded.
type spec struct {
	kind   string // of op
	name   string // of the layer, for messages
	inputs []*gorgonia.Node
	wrt    []bool       // which inputs get a gradient; nil for none
	shape  tensor.Shape // of the result; nil for a scalar

	cost  Cost // of the forward pass
	about any  // the description that it was made of, for who reads the graph

	result *Param    // whose gradient is the result, if the plan shall not provide its memory
	reuse  int       // 1 + the input whose memory the result may take; 0 for none
	alias  int       // 1 + the input whose memory is the result; 0 for none
	uses   []*buffer // other memory that is read or written

	run  func(in [][]float32, out []float32) error              // a scalar has an out of one value
	grad func(out, grad *gorgonia.Node) (gorgonia.Nodes, error) // one node an input
	// again computes anew what run has left in the memory of uses, and out, which
	// is nil if nobody needs it: that of the last op of a segment. Nothing else
	// changes. It is nil for an op that cannot do that.
	again func(in [][]float32, out []float32) error
}

// op is a recorded operation. It implements gorgonia.SDOp.
type op struct {
	spec
	tape    *Tape
	id      uint64   // unique in the process
	index   int      // position on the tape
	part    *segment // that it belongs to, or nil
	scope   Scope
	forward bool // of the forward pass

	out       *buffer // nil for a scalar and for memory of its own
	value     gorgonia.Value
	scalar    *gorgonia.F32
	in        [][]float32
	one       [1]float32 // memory of the gradient of the cost
	scalarOut [1]float32 // memory of a scalar result
}

var ids atomic.Uint64

// record adds an operation to the graph.
func (t *Tape) record(s spec) (*gorgonia.Node, error) {
	o := &op{
		spec: s, tape: t, id: ids.Add(1), index: len(t.ops), in: make([][]float32, len(s.inputs)),
		scope: t.scope, forward: !t.backward,
	}
	switch {
	case s.result != nil:
		o.value = s.result.Grad
	case s.shape == nil:
		o.scalar = gorgonia.NewF32(0)
		o.value = o.scalar
	case s.alias > 0:
		p, ok := s.inputs[s.alias-1].Op().(*op)
		if !ok || p.out == nil {
			return nil, fmt.Errorf("ops: %s %q: the memory of input %d is not planned", s.kind, s.name, s.alias-1)
		}
		o.out = p.out
		o.out.ops = append(o.out.ops, o)
		o.out.touch(o.index)
	default:
		o.out = t.newBuffer(s.shape.TotalSize())
		o.out.ops = []*op{o}
		o.out.touch(o.index)
	}
	for i, n := range s.inputs {
		if n == nil {
			return nil, fmt.Errorf("ops: %s %q: input %d is missing", s.kind, s.name, i)
		}
		if p, ok := n.Op().(*op); ok && p.out != nil {
			p.out.touch(o.index)
			if s.reuse == i+1 {
				o.out.reuse = p.out
			}
		}
	}
	for _, b := range s.uses {
		b.touch(o.index)
	}
	node, err := gorgonia.ApplyOp(o, s.inputs...)
	if err != nil {
		return nil, fmt.Errorf("ops: %s %q: %w", s.kind, s.name, err)
	}
	t.ops = append(t.ops, o)
	if t.segment != nil && t.Train {
		o.part = t.segment
		t.segment.ops = append(t.segment.ops, o)
	}
	return node, nil
}

// Arity is part of gorgonia.Op.
func (o *op) Arity() int { return len(o.inputs) }

// Type is part of gorgonia.Op. Gorgonia recycles what it returns, so it is
// made anew for each call.
func (o *op) Type() hm.Type {
	ts := make([]hm.Type, 0, len(o.inputs)+1)
	for _, n := range o.inputs {
		ts = append(ts, typeOf(n.Shape()))
	}
	return hm.NewFnType(append(ts, typeOf(o.shape))...)
}

func typeOf(s tensor.Shape) hm.Type {
	if s.Dims() == 0 {
		return tensor.Float32
	}
	return gorgonia.TensorType{Dims: s.Dims(), Of: tensor.Float32}
}

// InferShape is part of gorgonia.Op.
func (o *op) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) {
	if o.shape == nil {
		return tensor.ScalarShape(), nil
	}
	return o.shape.Clone(), nil
}

// Do is part of gorgonia.Op. It runs on a goroutine of Gorgonia's, where a
// panic would end the process: it becomes an error that names the node.
func (o *op) Do(values ...gorgonia.Value) (result gorgonia.Value, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Op: o.String(), Value: v, Stack: debug.Stack()}
		}
		if err != nil {
			o.tape.failure = err
		}
	}()
	if o.index <= o.tape.last {
		return nil, fmt.Errorf("%v runs after op %d of the tape: the memory plan rests on another order", o, o.tape.last)
	}
	o.tape.last = o.index
	for i, v := range values {
		switch v := v.(type) {
		case *tensor.Dense:
			if !v.Shape().Eq(o.inputs[i].Shape()) {
				return nil, fmt.Errorf("%v: input %d has shape %v, want %v", o, i, v.Shape(), o.inputs[i].Shape())
			}
			o.in[i] = v.Float32s()
		case *gorgonia.F32: // the gradient of the cost with respect to itself
			o.one[0] = float32(*v)
			o.in[i] = o.one[:]
		default:
			return nil, fmt.Errorf("%v: input %d is a %T", o, i, v)
		}
	}
	if o.result != nil {
		o.value = o.result.Grad // which may have moved
	}
	start := time.Now()
	out := o.scalarOut[:]
	if o.scalar == nil {
		out = o.value.(*tensor.Dense).Float32s()
	}
	if err := o.run(o.in, out); err != nil {
		return nil, fmt.Errorf("%v: %w", o, err)
	}
	if o.scalar != nil {
		*o.scalar = gorgonia.F32(out[0])
	}
	o.tape.profile.add(o, time.Since(start))
	if o.tape.observe != nil {
		if err := o.tape.observe(o.observed(out)); err != nil {
			return nil, err
		}
	}
	return o.value, nil
}

// PanicError is a panic inside an operation.
type PanicError struct {
	Op    string
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("%s: %v", e.Op, e.Value) }

// ReturnsPtr, CallsExtern and OverwritesInput are part of gorgonia.Op. These
// answers make the machine call Do and keep the result as it is.
func (o *op) ReturnsPtr() bool     { return false }
func (o *op) CallsExtern() bool    { return false } //nolint:revive // see ReturnsPtr
func (o *op) OverwritesInput() int { return -1 }    //nolint:revive // see ReturnsPtr

// WriteHash is part of gorgonia.Op. Ops of equal hash would be merged.
func (o *op) WriteHash(h hash.Hash) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], o.id)
	h.Write(b[:])
}

// Hashcode is part of gorgonia.Op.
func (o *op) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

func (o *op) String() string { return fmt.Sprintf("%s %q", o.kind, o.name) }

// DiffWRT is part of gorgonia.SDOp.
func (o *op) DiffWRT(int) []bool {
	if o.wrt == nil {
		return make([]bool, len(o.inputs))
	}
	return o.wrt
}

// SymDiff is part of gorgonia.SDOp.
func (o *op) SymDiff(_ gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	if o.grad == nil {
		return nil, fmt.Errorf("ops: %v has no gradient", o)
	}
	t := o.tape
	t.backward = true
	defer func(before Scope) { t.scope = before }(t.scope)
	t.scope = o.scope // the backward ops belong to the same layer
	grad, err := o.part.restored(t, grad)
	if err != nil {
		return nil, err
	}
	return o.grad(out, grad)
}

// gradientKind is that of ops which hand out a parameter's gradient.
const gradientKind = "gradient"

// paramGrad is the node of a parameter's gradient, which the op of node after
// has computed. The machine has nothing to do for it; others may.
func (t *Tape) paramGrad(p *Param, after *gorgonia.Node) (*gorgonia.Node, error) {
	return t.record(spec{
		kind: gradientKind, name: p.Name, inputs: gorgonia.Nodes{after}, shape: p.Shape(), result: p,
		run: func([][]float32, []float32) error {
			t.Parallel.final(p)
			return nil
		},
	})
}
