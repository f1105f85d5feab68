package graph

import (
	"errors"
	"fmt"

	"fasternet/internal/rng"
	"fasternet/kernels"
	"fasternet/layers"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Runner compiles a model for batch sizes and resolutions, and runs it. Only one goroutine at a
// time may use it.
type Runner struct {
	Model Model
	// Precision of the matrix products. Set it before the first program is compiled.
	Precision kernels.Precision
	// Loss is what programs for training compute. Frozen is the number of their layers, from the
	// input on, that work as in evaluation. Set both before the first program.
	Loss   ops.Loss
	Frozen int
	// Parallel applies to all programs.
	Parallel ops.Parallel
	// Recompute makes programs for training compute the blocks again in the backward pass. That
	// takes less memory and more time, and changes no bit. Set it before the first program.
	Recompute bool

	space     *ops.Workspace
	programs  Programs[programKey, *Program]
	inference *Runner // of the folded model, after the first call of ForInference
}

// programKey identifies a program of a runner.
type programKey struct {
	Shape
	kind kind
}

// NewRunner makes a runner whose programs run on a pool.
func NewRunner(m Model, pool *kernels.Pool) *Runner {
	return &Runner{Model: m, space: ops.NewWorkspace(pool)}
}

// Pool returns the pool that the programs run on.
func (r *Runner) Pool() *kernels.Pool { return r.space.Pool() }

// Bytes returns the size of the memory for activations.
func (r *Runner) Bytes() int { return r.space.Bytes() }

// Shape is the shape that a program is compiled for.
type Shape struct {
	Batch, Height, Width int
	Train                bool
}

// Program is a model as a compiled graph.
type Program struct {
	Shape
	tape                          *ops.Tape
	machine                       gorgonia.VM
	images, targets, loss, logits *gorgonia.Node
	teacher                       *gorgonia.Node // the teacher's logits, for distillation
	taught                        bool           // the teacher's logits are bound
	bound                         []float32      // the memory that is bound to the images
	drops                         []drop
	taps                          []tap
	explained                     *explained // for Grad-CAM
}

type drop struct {
	layers.Drop
	keep []float32
}

// Program returns the program of a shape. It is compiled at the first call, and again if many other
// shapes have been used since. The error says what does not fit.
func (r *Runner) Program(s Shape) (*Program, error) { return r.program(s, plain) }

func (r *Runner) program(s Shape, k kind) (*Program, error) {
	return r.programs.Get(programKey{s, k}, func() (*Program, error) {
		before := r.Bytes()
		p, err := r.compile(s, k, nil)
		if err != nil {
			return nil, s.wrap(err)
		}
		if before > 0 && r.Bytes() > before {
			// The others refer to the smaller memory until they run again. Programs for training
			// will run again; programs for images of other sizes may not.
			r.programs.Drop(func(key programKey) bool { return !key.Train })
		}
		return p, nil
	})
}

func (s Shape) wrap(err error) error {
	return fmt.Errorf("graph: batch %d of %d×%d images: %w", s.Batch, s.Height, s.Width, err)
}

// kind is the purpose of a program, besides its shape.
type kind int

const (
	plain      kind = iota
	tapped          // intermediate values are kept
	statistics      // batch norms measure; nothing is differentiated
	explaining      // the logits are differentiated by a map
)

// compile compiles a program; watch may be nil.
func (r *Runner) compile(s Shape, k kind, watch func(string, ops.BlockPart, kernels.Matrix)) (p *Program, err error) {
	defer func() { // Gorgonia panics instead of returning errors
		if v := recover(); v != nil {
			err = fmt.Errorf("building the graph: %v", v)
		}
	}()
	tape := ops.NewTape(r.space, s.Train)
	tape.Parallel = &r.Parallel
	tape.Precision = r.Precision
	if err := tape.Kernels().Check(r.Precision); err != nil {
		return nil, err
	}
	p = &Program{Shape: s, tape: tape}
	p.images = tape.Input(Images, s.Batch, s.Height, s.Width, r.Model.Channels())
	pass := &layers.Pass{Tape: tape, Recompute: r.Recompute, Watch: watch}
	switch k {
	case plain, statistics:
	case tapped:
		pass.Tap = p.tap
	case explaining:
		if IsInt8(r.Model) {
			return nil, errors.New("the model computes in 8 bits, which have no gradient: " +
				"take the float32 model that it was made from")
		}
		name, err := MapName(r.Model, s.Height, s.Width)
		if err != nil {
			return nil, err
		}
		p.explained = &explained{}
		pass.Recompute = false
		pass.Tap = func(tapped string, n *gorgonia.Node) {
			if tapped == name {
				tape.Keep(n)
				p.explained.at, tape.Train = n, true // everything after it keeps what its gradient needs
			}
		}
	default:
		return nil, fmt.Errorf("program of kind %d", k)
	}
	if s.Train {
		pass.Frozen = r.Frozen
	}
	if p.logits, err = r.Model.Forward(pass, p.images); err != nil {
		return nil, err
	}
	tape.Keep(p.logits)
	for _, d := range pass.Drops {
		keep := make([]float32, s.Batch)
		if err := gorgonia.Let(d.Node, tensor.New(tensor.WithShape(s.Batch), tensor.WithBacking(keep))); err != nil {
			return nil, err
		}
		p.drops = append(p.drops, drop{d, keep})
	}
	if k == explaining {
		if err := p.differentiateMap(r.Model); err != nil {
			return nil, err
		}
	}
	tape.Train = s.Train
	if s.Train && k != statistics {
		if err := p.differentiate(r.Model, r.Loss); err != nil {
			return nil, err
		}
	}
	if err := tape.Plan(); err != nil {
		return nil, err
	}
	p.machine = tape.NewMachine()
	return p, nil
}

func (p *Program) differentiate(m Model, l ops.Loss) error {
	p.targets = p.tape.Input("targets", p.Batch, m.Classes())
	if l.Distill != ops.NoDistill {
		p.teacher = p.tape.Input("teacher", p.Batch, m.Classes())
	}
	loss, err := ops.ClassifierLoss(p.tape, p.logits, p.targets, p.teacher, l)
	if err != nil {
		return err
	}
	p.loss = loss
	var params gorgonia.Nodes
	for _, q := range m.Store().Params() {
		if !q.Frozen {
			params = append(params, p.tape.Param(q))
		}
	}
	_, err = gorgonia.Grad(loss, params...)
	return err
}

// Forward runs the model on images [batch, height, width, channels] and returns the logits [batch,
// classes]. They are valid until the next run of any program of the runner.
func (p *Program) Forward(images []float32) ([]float32, error) {
	if p.Train {
		return nil, fmt.Errorf("graph: Forward on a program for training")
	}
	if err := p.bind(images); err != nil {
		return nil, err
	}
	if err := p.tape.Run(p.machine); err != nil {
		return nil, err
	}
	return p.tape.Value(p.logits), nil
}

// bind gives the program its images. Binding the same memory as in the last run costs nothing.
func (p *Program) bind(images []float32) error {
	if len(images) > 0 && len(images) == len(p.bound) && &images[0] == &p.bound[0] {
		return nil
	}
	if err := Bind(p.images, images); err != nil {
		return err
	}
	p.bound = images
	return nil
}

// Position is the place of a training step in a run: it selects the random numbers.
type Position struct {
	Seed uint64
	Step uint64 // number of the batch since the start of the run
	// Places are the places of the samples in the batch of all ranks, ascending; Batch is the size
	// of that batch. They are nil and 0 for one rank.
	Places []int
	Batch  int
}

// eachPlace calls f for every place of the batch of all ranks, with the number of the sample, or -1
// if the sample is on another rank; own is the number of samples of this rank.
func (at Position) eachPlace(own int, f func(sample int)) {
	if at.Places == nil {
		for i := range own {
			f(i)
		}
		return
	}
	next := 0
	for place := range at.Batch {
		if next < len(at.Places) && at.Places[next] == place {
			f(next)
			next++
		} else {
			f(-1)
		}
	}
}

// Gradients runs the model forward and backward. It adds the gradient of the mean loss to the
// gradients of the parameters, and returns the loss. Targets are [batch, classes]. Running
// statistics are updated. With several ranks, the losses and gradients of the ranks add up to those
// of the whole batch.
func (p *Program) Gradients(images, targets []float32, at Position) (loss float32, err error) {
	if p.loss == nil {
		return 0, fmt.Errorf("graph: Gradients on a program without gradients: it is for evaluation or for statistics")
	}
	if p.teacher != nil && !p.taught {
		return 0, fmt.Errorf("graph: Gradients of a distillation without logits of the teacher")
	}
	p.taught = false
	if err := p.bind(images); err != nil {
		return 0, err
	}
	if err := Bind(p.targets, targets); err != nil {
		return 0, err
	}
	for _, d := range p.drops {
		r := rng.New(at.Seed, rng.DropPath, at.Step, uint64(d.Block))
		at.eachPlace(len(d.keep), func(sample int) {
			kept := r.Float64() >= d.Rate
			if sample < 0 {
				return
			}
			d.keep[sample] = 0
			if kept {
				d.keep[sample] = float32(1 / (1 - d.Rate))
			}
		})
	}
	p.tape.Parallel.Batch = at.Batch
	return p.run()
}

// Teach gives the next Gradients of a distillation the teacher's logits, [batch, classes].
func (p *Program) Teach(logits []float32) error {
	if p.teacher == nil {
		return fmt.Errorf("graph: Teach on a program without distillation")
	}
	p.taught = true
	return Bind(p.teacher, logits)
}

func (p *Program) run() (float32, error) {
	if err := p.tape.Run(p.machine); err != nil {
		return 0, err
	}
	return p.tape.Value(p.loss)[0], nil
}

// Learned returns the parameters whose gradients the program computes, in the order in which they
// are complete.
func (p *Program) Learned() []*ops.Param { return p.tape.Learned() }

// Logits returns the logits of the last run of Gradients.
func (p *Program) Logits() []float32 { return p.tape.Value(p.logits) }

// Ops returns the number of operations of the graph, including the backward pass.
func (p *Program) Ops() int { return p.tape.Ops() }

// Profile makes the program record the time of its operations.
func (p *Program) Profile(to *ops.Profile) { p.tape.Measure(to) }

// Observe makes the program call f after every op of its runs, until it is called with nil: see
// [ops.Tape.Observe].
func (p *Program) Observe(f func(ops.Observed) error) { p.tape.Observe(f) }

// ArenaBytes returns the size of the activations of this program alone.
func (p *Program) ArenaBytes() int { return p.tape.ArenaBytes() }

// Layout returns the plan of the program's memory: see [ops.Tape.Layout].
func (p *Program) Layout() []ops.Placement { return p.tape.Layout() }
