package ops

import (
	"encoding/binary"
	"fmt"
	"hash"
	"hash/fnv"
	"runtime/debug"
	"sync/atomic"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// op is a recorded operation. It implements gorgonia.SDOp.
type op struct {
	Spec
	tape    *Tape
	id      uint64   // unique in the process
	index   int      // position on the tape
	part    *segment // to which it belongs, or nil
	scope   Scope
	forward bool           // in the forward pass
	learned []*Param       // parameters whose gradients it computes
	node    *gorgonia.Node // its result

	out       *Buffer // nil for a scalar, and for memory of its own
	value     gorgonia.Value
	scalar    *gorgonia.F32
	in        [][]float32
	values    []gorgonia.Value // of the inputs, in the current run
	shapes    []tensor.Shape   // of the inputs
	one       [1]float32       // memory of the gradient of the cost
	scalarOut [1]float32       // memory of a scalar result
}

var ids atomic.Uint64

// Arity implements gorgonia.Op.
func (o *op) Arity() int { return len(o.Inputs) }

// Type implements gorgonia.Op. Gorgonia recycles the result, so each call makes a new one.
func (o *op) Type() hm.Type {
	ts := make([]hm.Type, 0, len(o.Inputs)+1)
	for _, n := range o.Inputs {
		ts = append(ts, typeOf(n.Shape()))
	}
	return hm.NewFnType(append(ts, typeOf(o.Shape))...)
}

func typeOf(s tensor.Shape) hm.Type {
	if s.Dims() == 0 {
		return tensor.Float32
	}
	return gorgonia.TensorType{Dims: s.Dims(), Of: tensor.Float32}
}

// InferShape implements gorgonia.Op.
func (o *op) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) {
	return o.Shape.Clone(), nil
}

// Do implements gorgonia.Op. A panic becomes an error that names the node.
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
		return nil, fmt.Errorf("%v runs after op %d of the tape: the memory plan assumes another order",
			o, o.tape.last)
	}
	o.tape.last = o.index
	for i, v := range values {
		switch v := v.(type) {
		case *tensor.Dense:
			if !v.Shape().Eq(o.shapes[i]) {
				return nil, fmt.Errorf("%v: input %d has shape %v, want %v", o, i, v.Shape(), o.shapes[i])
			}
			o.in[i] = v.Float32s()
		case *gorgonia.F32: // the gradient of the cost by itself
			o.one[0] = float32(*v)
			o.in[i] = o.one[:]
		default:
			return nil, fmt.Errorf("%v: input %d is a %T", o, i, v)
		}
	}
	if o.Result != nil {
		o.value = o.Result.Grad // it may have moved
	}
	out := o.scalarOut[:]
	if o.scalar == nil {
		out = o.value.(*tensor.Dense).Float32s()
	}
	leave := o.tape.profile.enterOp(o)
	err = o.Run(o.in, out)
	leave()
	if err != nil {
		return nil, fmt.Errorf("%v: %w", o, err)
	}
	if o.scalar != nil {
		*o.scalar = gorgonia.F32(out[0])
	}
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

// ReturnsPtr, CallsExtern and OverwritesInput are part of gorgonia.Op. With these answers the
// machine calls Do and keeps the result as it is.
func (o *op) ReturnsPtr() bool     { return false }
func (o *op) CallsExtern() bool    { return false } //nolint:revive // see ReturnsPtr
func (o *op) OverwritesInput() int { return -1 }    //nolint:revive // see ReturnsPtr

// WriteHash implements gorgonia.Op. Gorgonia merges ops with equal hashes.
func (o *op) WriteHash(h hash.Hash) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], o.id)
	h.Write(b[:])
}

// Hashcode implements gorgonia.Op.
func (o *op) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

func (o *op) String() string { return fmt.Sprintf("%s %q", o.Kind, o.Name) }

// DiffWRT implements gorgonia.SDOp.
func (o *op) DiffWRT(int) []bool {
	if o.WRT == nil {
		return make([]bool, len(o.Inputs))
	}
	return o.WRT
}

// SymDiff implements gorgonia.SDOp.
func (o *op) SymDiff(_ gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	if o.Grad == nil {
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
	grads, err := o.Grad(out, grad)
	if err != nil {
		return nil, err
	}
	if err := o.checkGrads(t, grads); err != nil {
		return nil, o.wrap(err)
	}
	return grads, nil
}
