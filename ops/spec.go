package ops

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Spec describes an operation for [Tape.Record]. All ops of this package use it, and a program that
// imports the package can add its own: see the example of Spec.
//
// The ops of a forward pass run in the order in which they were recorded. The ops that Grad records
// run after all of them, from the loss back to the input. One goroutine calls Run; within Run,
// [kernels.Pool.Run] of [Tape.Pool] spreads the work over the workers of the pool. Results must not
// depend on the number of workers: let only sizes decide how work is cut, and add partial sums in a
// fixed order.
//
// The slices that Run gets are in memory that the tape plans, and other ops use the same memory at
// other times. Run may read its inputs, write its result, and read and write the buffers in Uses
// and the scratch of a worker. It must not keep the slices. It must write every value of its
// result, whose contents are undefined before. Run should allocate nothing: allocate where the op
// is recorded.
type Spec struct {
	// Kind of the op, in CamelCase. Profiles and errors show it, and exports find the form of the op by
	// it. All ops of one kind have an About of the same type.
	Kind string
	// Name of the layer in the state dict: "stages.0.blocks.1".
	Name string
	// Inputs are results of other ops, [Tape.Input] or [Tape.Param]. At most one op may read a
	// value that is differentiated: [Branch] splits it for a second op.
	Inputs gorgonia.Nodes
	// WRT says for every input whether Grad makes a gradient for it. It is nil for an op that is not
	// differentiated.
	WRT []bool
	// Shape of the result, or tensor.ScalarShape() for a scalar. The first dimension is the batch.
	// Maps are [batch, height, width, channels].
	Shape tensor.Shape

	// Cost of one forward pass, for the whole batch.
	Cost Cost
	// About describes the op with its sizes and parameters, for counts and exports. It has a type of its
	// own.
	About any

	// Result is for a backward op without a gradient of its input, as in a first layer. The result
	// of the op is then the gradient of this parameter, to which Run adds. Grad returns nil for the
	// input, and [Tape.Gradients] of the op for the parameters.
	Result *Param
	// Reuse is 1 + the number of an input whose memory the result may take if no later op reads
	// that input: then in[Reuse-1] and out are the same slice. 0 for none.
	Reuse int
	// Alias is 1 + the number of an input whose memory is always the result: the op changes it in
	// place, or passes it on. 0 for none.
	Alias int
	// Uses lists other memory that Run reads or writes: see [Tape.NewBuffer].
	Uses []*Buffer

	// Run computes the result from the values of the inputs, in the order of Inputs. For a scalar,
	// out has one value. An error ends the run of the graph.
	Run func(in [][]float32, out []float32) error
	// Grad is called once, while the graph is built. grad is the gradient of the result out. Grad
	// records the backward ops and returns one node for each of Inputs: its gradient, in its shape,
	// or nil if WRT is false. The gradients of parameters are the nodes of [Tape.ParamGrad].
	Grad func(out, grad *gorgonia.Node) (gorgonia.Nodes, error)
	// Again runs the op a second time in the same step, right before the backward ops, if
	// activations are recomputed to save memory (train.grad_checkpointing). It writes the same bits
	// to Uses, and to out unless out is nil. It changes nothing else, such as running statistics.
	// [Repeat] makes one for a Run that keeps nothing in Uses. An op whose Again is nil cannot be
	// part of [Tape.Recompute]. An op with Alias has an Again only if it passes the input on
	// unchanged: otherwise the change would happen twice.
	Again func(in [][]float32, out []float32) error
}

// Repeat makes an Again for an op that keeps nothing in Uses for its backward pass: it calls run
// once more if another op needs the result.
func Repeat(run func(in [][]float32, out []float32) error) func(in [][]float32, out []float32) error {
	return func(in [][]float32, out []float32) error {
		if out == nil {
			return nil
		}
		return run(in, out)
	}
}

func (s *Spec) wrap(err error) error { return fmt.Errorf("ops: %s %q: %w", s.Kind, s.Name, err) }

// check returns what is wrong with a spec.
func (s *Spec) check(t *Tape) error {
	if s.Kind == "" {
		return fmt.Errorf("ops: an op %q without Kind", s.Name)
	}
	for i, n := range s.Inputs {
		if n == nil {
			return s.wrap(fmt.Errorf("input %d is missing", i))
		}
		if n.Graph() != t.Graph {
			return s.wrap(fmt.Errorf("input %d, %v, belongs to another tape", i, n))
		}
	}
	for _, b := range s.Uses {
		if b == nil || b.tape != t {
			return s.wrap(errors.New("its Uses has a buffer that is nil or belongs to another tape"))
		}
	}
	err := s.checkResult()
	switch {
	case err != nil:
	case s.Run == nil:
		err = errors.New("Run is missing")
	case s.WRT != nil && len(s.WRT) != len(s.Inputs):
		err = fmt.Errorf("WRT has %d values, want one for each of %d inputs", len(s.WRT), len(s.Inputs))
	case s.Grad != nil && s.WRT == nil:
		err = errors.New("it has Grad, but WRT does not say for which inputs")
	}
	if err != nil {
		return s.wrap(err)
	}
	return nil
}

// checkResult returns what is wrong with the shape and the memory of the result.
func (s *Spec) checkResult() error {
	if s.Shape == nil {
		return errors.New("Shape is missing (tensor.ScalarShape() for a scalar)")
	}
	for _, n := range s.Shape {
		if n < 1 {
			return fmt.Errorf("the result has shape %v, want sizes of 1 or more", s.Shape)
		}
	}
	if s.Result != nil {
		switch {
		case s.Result.Grad == nil:
			return fmt.Errorf("%s has no gradient", s.Result.Name)
		case !s.Shape.Eq(s.Result.Shape()):
			return fmt.Errorf("the result has shape %v, want shape %v of %s", s.Shape, s.Result.Shape(), s.Result.Name)
		}
	}
	for _, own := range []struct {
		name  string
		input int
	}{{"Reuse", s.Reuse}, {"Alias", s.Alias}} {
		switch {
		case own.input == 0:
		case own.input < 0 || own.input > len(s.Inputs):
			return fmt.Errorf("%s is %d, want 1 to %d for an input, or 0", own.name, own.input, len(s.Inputs))
		case s.Result != nil || s.Shape.Dims() == 0:
			return fmt.Errorf("%s for a scalar or the gradient of a parameter", own.name)
		case s.Inputs[own.input-1].Shape().TotalSize() != s.Shape.TotalSize():
			return fmt.Errorf("%s: input %d has shape %v, the result %v",
				own.name, own.input-1, s.Inputs[own.input-1].Shape(), s.Shape)
		}
	}
	if s.Reuse != 0 && s.Alias != 0 {
		return errors.New("it has both Reuse and Alias")
	}
	return nil
}

// checkGrads returns what is wrong with the gradients that Grad returned.
func (s *Spec) checkGrads(t *Tape, grads gorgonia.Nodes) error {
	if len(grads) != len(s.Inputs) {
		return fmt.Errorf("its Grad returns %d gradients, want one for each of %d inputs", len(grads), len(s.Inputs))
	}
	for i, n := range grads {
		switch {
		case n == nil && s.WRT[i]:
			return fmt.Errorf("its Grad returns no gradient of input %d, and WRT says that there is one", i)
		case n == nil:
		case n.Graph() != t.Graph:
			return fmt.Errorf("its Grad: the gradient of input %d belongs to another tape", i)
		case !n.Shape().Eq(s.Inputs[i].Shape()):
			return fmt.Errorf("its Grad: the gradient of input %d has shape %v, want %v",
				i, n.Shape(), s.Inputs[i].Shape())
		}
	}
	return nil
}

// Record adds an operation to the graph and returns the node of its result. The error names
// the op and says what is wrong with its spec.
func (t *Tape) Record(s Spec) (*gorgonia.Node, error) {
	if s.Kind == KindGradient || s.Kind == KindRecompute {
		return nil, s.wrap(errors.New("the tape uses this kind for its own ops: choose another one"))
	}
	return t.record(s)
}

func (t *Tape) record(s Spec) (*gorgonia.Node, error) {
	if err := s.check(t); err != nil {
		return nil, err
	}
	o := &op{
		Spec:    s,
		tape:    t,
		id:      ids.Add(1),
		index:   len(t.ops),
		in:      make([][]float32, len(s.Inputs)),
		values:  make([]gorgonia.Value, len(s.Inputs)),
		scope:   t.scope,
		forward: !t.backward,
	}
	switch {
	case s.Result != nil:
		o.value = s.Result.Grad
	case s.Shape.Dims() == 0:
		o.scalar = gorgonia.NewF32(0)
		o.value = o.scalar
	case s.Alias > 0:
		p, ok := s.Inputs[s.Alias-1].Op().(*op)
		if !ok || p.out == nil {
			return nil, s.wrap(fmt.Errorf("the memory of input %d is not planned", s.Alias-1))
		}
		o.out = p.out
		o.out.ops = append(o.out.ops, o)
		o.out.touch(o.index)
	default:
		o.out = t.NewBuffer(s.Shape.TotalSize())
		o.out.ops = []*op{o}
		o.out.touch(o.index)
	}
	for i, n := range s.Inputs {
		o.shapes = append(o.shapes, n.Shape())
		if p, ok := n.Op().(*op); ok && p.out != nil {
			p.out.touch(o.index)
			if s.Reuse == i+1 {
				o.out.reuse = p.out
			}
		}
	}
	for _, b := range s.Uses {
		b.touch(o.index)
	}
	node, err := gorgonia.ApplyOp(o, s.Inputs...)
	if err != nil {
		return nil, s.wrap(err)
	}
	o.node = node
	t.ops = append(t.ops, o)
	if t.segment != nil && t.Train {
		o.part = t.segment
		t.segment.ops = append(t.segment.ops, o)
	}
	return node, nil
}

// ParamGrad returns the node of a parameter's gradient, for the result of a [Spec]'s Grad. The op
// of node after has computed it: it added to [Param.GradData], and never assigned, because that may
// hold the gradients of other graphs and steps. The gradients of the parameters are complete, and
// summed over the ranks, in the order of the calls of ParamGrad.
func (t *Tape) ParamGrad(p *Param, after *gorgonia.Node) (*gorgonia.Node, error) {
	if p == nil {
		return nil, errors.New("ops: ParamGrad of a nil parameter")
	}
	if computed, ok := opOf(after); ok {
		computed.learned = append(computed.learned, p)
	}
	return t.record(Spec{
		Kind: KindGradient, Name: p.Name, Inputs: gorgonia.Nodes{after}, Shape: p.Shape(), Result: p,
		Run: func([][]float32, []float32) error {
			t.Parallel.final(p)
			return nil
		},
	})
}

// Gradients returns the result of Grad for an op with inputs x and parameters: dx, the result of
// its backward op, and [Tape.ParamGrad] after it for every parameter that is not nil.
func (t *Tape) Gradients(dx *gorgonia.Node, params ...*Param) (gorgonia.Nodes, error) {
	grads := gorgonia.Nodes{dx}
	for _, p := range given(params...) {
		n, err := t.ParamGrad(p, dx)
		if err != nil {
			return nil, err
		}
		grads = append(grads, n)
	}
	return grads, nil
}

// opOf returns the op of a node, if it is one of this package.
func opOf(n *gorgonia.Node) (*op, bool) {
	if n == nil {
		return nil, false
	}
	o, ok := n.Op().(*op)
	return o, ok
}
