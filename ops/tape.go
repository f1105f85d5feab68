package ops

import (
	"fmt"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Tape records the operations of one graph in the order of their execution, and the memory that
// they need.
//
// First build the forward graph with the functions of this package and differentiate it with
// [gorgonia.Grad]. Then call [Tape.Plan] and [Tape.NewMachine], and pass the machine to [Tape.Run]
// for every run.
type Tape struct {
	Graph *gorgonia.ExprGraph
	Train bool // use batch statistics, and keep what the backward pass needs
	// Precision of the products within the blocks of a network and between its stages. Set it
	// before ops are added. The products of the first layer and of the classifier are float32.
	Precision kernels.Precision
	// Parallel may be changed between runs.
	Parallel *Parallel

	space      *Workspace
	kernels    *kernels.Set // of the pool
	ops        []*op
	params     map[*Param]*gorgonia.Node
	buffers    []*Buffer
	scratch    int      // float32 values that an op needs for each worker
	arena      int      // float32 values of the planned arena
	seen       int      // number of arenas of the workspace when it was last bound
	last       int      // op that ran last
	segment    *segment // to which ops are added, or nil
	chains     int      // of ops that are computed again
	failure    error
	scope      Scope // of the ops that are added
	backward   bool  // the forward pass is complete
	sketch     bool  // see NewSketch
	rowsWeight int   // see byOutputs
	profile    *Profile
	observe    func(Observed) error

	packs                  []*pack
	reorders, panels       []packJob
	reorderTask, panelTask func(worker, i int)
}

// NewTape starts the tape of a new graph. Graphs that never run at the same time may share a
// workspace and its memory.
func NewTape(space *Workspace, train bool) *Tape {
	return &Tape{
		Graph:      gorgonia.NewGraph(),
		Train:      train,
		Parallel:   &Parallel{},
		space:      space,
		kernels:    space.pool.Kernels(),
		params:     map[*Param]*gorgonia.Node{},
		last:       -1,
		rowsWeight: rowsWeight,
	}
}

// Pool returns the pool that the ops run on.
func (t *Tape) Pool() *kernels.Pool { return t.space.pool }

// Kernels returns the set of the pool, with which ops compute.
func (t *Tape) Kernels() *kernels.Set { return t.kernels }

// Input adds an input of the graph. Bind a value of that shape before a run.
func (t *Tape) Input(name string, shape ...int) *gorgonia.Node {
	return gorgonia.NewTensor(
		t.Graph, tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(name),
	)
}

// Param returns the node of a parameter.
func (t *Tape) Param(p *Param) *gorgonia.Node {
	if p == nil {
		return nil // Record reports it as a missing input
	}
	n := t.params[p]
	if n == nil {
		options := []gorgonia.NodeConsOpt{gorgonia.WithShape(p.Shape()...), gorgonia.WithName(p.Name)}
		if !t.sketch {
			options = append(options, gorgonia.WithValue(p.Value))
		}
		n = gorgonia.NewTensor(t.Graph, tensor.Float32, p.Shape().Dims(), options...)
		t.params[p] = n
	}
	return n
}

// check finds what Gorgonia would silently get wrong: it confuses nodes with the same hash code,
// and its own ops use memory that the plan does not know.
func (t *Tape) check() error {
	seen := map[uint32]*gorgonia.Node{}
	for _, n := range t.Graph.AllNodes() {
		if other, ok := seen[n.Hashcode()]; ok {
			return fmt.Errorf("ops: nodes %v and %v have the same hash code: rename one", other, n)
		}
		seen[n.Hashcode()] = n
		switch n.Op().(type) {
		case nil, *op: // an input, an op of this package
		default:
			if len(gorgoniaChildren(t.Graph, n)) > 0 {
				return fmt.Errorf("ops: node %v is an op of Gorgonia: the memory plan does not cover it", n)
			}
		}
	}
	return nil
}

func gorgoniaChildren(g *gorgonia.ExprGraph, n *gorgonia.Node) []int64 {
	var ids []int64
	for it := g.From(n.ID()); it.Next(); {
		ids = append(ids, it.Node().ID())
	}
	return ids
}

// Run runs the graph on its machine once. An error names the operation that failed.
func (t *Tape) Run(machine gorgonia.VM) error {
	t.last, t.failure = -1, nil
	if t.seen != t.space.moves {
		t.bind() // another graph has made the workspace grow
	}
	if t.profile == nil { // method values would be allocated
		t.updatePacks()
	} else {
		t.profile.section(KindPack, "weights", t.packMemory, t.updatePacks) // before the ops
	}
	err := machine.RunAll()
	machine.Reset()
	if t.failure != nil {
		return t.failure // Gorgonia's wrapping hides the type
	}
	return err
}

// Learned returns the parameters whose gradients the graph computes, in the order in which they are
// complete.
func (t *Tape) Learned() []*Param {
	var ps []*Param
	for _, o := range t.ops {
		if o.Kind == KindGradient {
			ps = append(ps, o.Result)
		}
	}
	return ps
}

// Ops returns the number of recorded operations.
func (t *Tape) Ops() int { return len(t.ops) }
