package localmim

import (
	"fmt"
	"slices"

	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/layers"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
)

// Masked is a batch of masked images.
type Masked struct {
	Images []float32 // [batch, height, width, channels]
	// Kept holds the numbers of the visible units, in raster order of the units, in the order in
	// which the encoder sees them: [units] for the whole batch, or [batch, units].
	Kept    []int32
	Targets [][]float32 // of each scale: [batch, cells, values]
	Weights [][]float32 // of each scale: [batch, cells]: the masked part of a cell, 0 in visible units
	// Whole is the number of images of all ranks, or 0 for these images alone. The loss is then the
	// share of these images in the mean over all.
	Whole int
}

// Runner compiles a LocalMIM for batch sizes and runs it. Only one goroutine at a time may use it.
type Runner struct {
	Model *Model
	// Precision of the matrix products. Set it before the first program is compiled.
	Precision kernels.Precision
	// Parallel applies to all programs.
	Parallel ops.Parallel
	// Recompute makes programs for training compute all blocks, also in the decoders, again in the
	// backward pass: less memory, more time, the same bits. Set it before the first program.
	Recompute bool

	space    *ops.Workspace
	programs graph.Programs[shape, *Program]
}

type shape struct {
	batch int
	train bool
	kind  kind
}

// kind is the purpose of a program.
type kind int

const (
	reconstructs kind = iota // the loss of masked images
	ofMasked                 // the batch norms measure masked images
	ofWhole                  // they measure whole images
	ofChannels               // the similarity of hidden channels
)

// NewRunner makes a runner whose programs run on a pool.
func NewRunner(m *Model, pool *kernels.Pool) *Runner {
	return &Runner{Model: m, space: ops.NewWorkspace(pool)}
}

// Pool returns the pool that the programs run on.
func (r *Runner) Pool() *kernels.Pool { return r.space.Pool() }

// Bytes returns the size of the memory for activations.
func (r *Runner) Bytes() int { return r.space.Bytes() }

// Program is a LocalMIM as a compiled graph. Which units are masked changes from run to run, but
// not how many.
type Program struct {
	shape
	model            *Model
	tape             *ops.Tape
	machine          gorgonia.VM
	images           *gorgonia.Node
	targets, weights []*gorgonia.Node
	visible          *Visible
	loss             *ops.Reconstructions
	predictions      []*gorgonia.Node
	latents          []*gorgonia.Node
	similar          []similarity // of the blocks
}

// Program returns the program for a batch size. It is compiled at the first call, and again if many
// other sizes have been used since. The program for evaluation keeps the predictions.
func (r *Runner) Program(batch int, train bool) (*Program, error) {
	return r.program(shape{batch: batch, train: train})
}

func (r *Runner) program(s shape) (*Program, error) {
	return r.programs.Get(s, func() (*Program, error) {
		p, err := r.compile(s)
		if err != nil {
			return nil, fmt.Errorf("localmim: batch of %d masked images: %w", s.batch, err)
		}
		return p, nil
	})
}

func (r *Runner) compile(s shape) (p *Program, err error) {
	defer func() { // Gorgonia panics instead of returning errors
		if v := recover(); v != nil {
			err = fmt.Errorf("building the graph: %v", v)
		}
	}()
	m, tape := r.Model, ops.NewTape(r.space, s.train)
	tape.Parallel = &r.Parallel
	tape.Precision = r.Precision
	if err := tape.Kernels().Check(r.Precision); err != nil {
		return nil, err
	}
	if p, err = m.program(tape, s, r.Recompute); err != nil {
		return nil, err
	}
	switch {
	case s.kind != reconstructs:
	case s.train:
		var params gorgonia.Nodes
		for _, q := range m.store.Params() {
			if !q.Frozen {
				params = append(params, tape.Param(q))
			}
		}
		if _, err := gorgonia.Grad(p.loss.Loss, params...); err != nil {
			return nil, err
		}
	default:
		for _, n := range p.predictions {
			tape.Keep(n)
		}
	}
	if err := tape.Plan(); err != nil {
		return nil, err
	}
	p.machine = tape.NewMachine()
	return p, nil
}

// Run computes the loss of a batch: the sum over the scales. A program for training also adds the
// gradient of the loss to the gradients of the parameters.
func (p *Program) Run(b Masked) (loss float32, err error) {
	if p.kind != reconstructs {
		return 0, fmt.Errorf("localmim: Run on a program that has no loss")
	}
	if len(b.Targets) != len(p.targets) || len(b.Weights) != len(p.weights) {
		return 0, fmt.Errorf("localmim: targets of %d scales and weights of %d: the model has %d",
			len(b.Targets), len(b.Weights), len(p.targets))
	}
	for k := range p.targets {
		if err := graph.Bind(p.targets[k], b.Targets[k]); err != nil {
			return 0, err
		}
		if err := graph.Bind(p.weights[k], b.Weights[k]); err != nil {
			return 0, err
		}
	}
	if err := p.start(b); err != nil {
		return 0, err
	}
	return p.tape.Value(p.loss.Loss)[0], nil
}

// start runs the program on images and their visible units.
func (p *Program) start(b Masked) error {
	if err := p.visible.set(b.Kept); err != nil {
		return err
	}
	if err := graph.Bind(p.images, b.Images); err != nil {
		return err
	}
	p.tape.Parallel.Batch = b.Whole
	return p.tape.Run(p.machine)
}

// Learned returns the parameters whose gradients a program for training computes, in the order in
// which they are complete.
func (p *Program) Learned() []*ops.Param { return p.tape.Learned() }

// ScaleLosses returns the losses of the scales in the last run. They are valid until the next run.
func (p *Program) ScaleLosses() []float64 { return p.loss.Scales }

// CellLosses returns the mean squared differences of the cells of scale k in the last run, [batch,
// cells]. For visible cells they are 0 in a program for training that does not predict these.
func (p *Program) CellLosses(k int) []float32 { return p.loss.Cells[k] }

// Predictions copies the predictions of the last run of a program for evaluation at scale k:
// [batch, cells, values], cells in raster order.
func (p *Program) Predictions(k int) ([]float32, error) {
	if p.train {
		return nil, fmt.Errorf("localmim: a program for training does not keep its predictions")
	}
	n := p.predictions[k]
	rows, d := n.Shape()[1], n.Shape()[2]
	data, cells := p.tape.Value(n), p.model.scales[k].Grid*p.model.scales[k].Grid
	out := make([]float32, p.batch*cells*d)
	for image := range p.batch {
		for row, c := range p.model.decoders[k].cells {
			if c >= 0 {
				copy(out[(image*cells+int(c))*d:][:d], data[(image*rows+row)*d:])
			}
		}
	}
	return out, nil
}

// Latent copies the normalised tokens at tap k of the last run of a program for evaluation: [batch,
// tokens, C], the class token first if there is one, the tokens of a unit in raster order.
func (p *Program) Latent(k int) ([]float32, error) {
	if p.train {
		return nil, fmt.Errorf("localmim: a program for training does not keep its latents")
	}
	return slices.Clone(p.tape.Value(p.latents[k])), nil
}

// Ops returns the number of operations of the graph, including the backward pass.
func (p *Program) Ops() int { return p.tape.Ops() }

// Profile makes the program record the time of its operations.
func (p *Program) Profile(to *ops.Profile) { p.tape.Measure(to) }

// Observe makes the program call f after every op of its runs, until it is called with nil: see
// [ops.Tape.Observe].
func (p *Program) Observe(f func(ops.Observed) error) { p.tape.Observe(f) }

// ArenaBytes returns the size of the activations of this program alone.
func (p *Program) ArenaBytes() int { return p.tape.ArenaBytes() }

// program adds the model and its loss to a graph.
func (m *Model) program(tape *ops.Tape, s shape, recompute bool) (*Program, error) {
	size := m.config.Data.ImageSize
	p := &Program{
		shape:   s,
		model:   m,
		tape:    tape,
		visible: &Visible{Images: s.batch, Units: m.visible, Side: m.side, Class: m.encoder.ClassTokens},
	}
	p.images = tape.Input(graph.Images, s.batch, size, size, m.Channels())
	pass := &layers.Pass{Tape: tape, Recompute: recompute}
	if s.kind == ofWhole {
		p.visible.Units = m.side * m.side
	}
	if s.kind == ofChannels {
		pass.Similarity = p.addSimilarity()
	}
	if s.kind != reconstructs {
		_, err := m.backbone.Forward(pass, p.images, p.visible)
		return p, err
	}
	for k, scale := range m.scales {
		cells := scale.Grid * scale.Grid
		p.targets = append(p.targets, tape.Input(fmt.Sprintf("targets.%d", k), s.batch, cells, scale.Values))
		p.weights = append(p.weights, tape.Input(fmt.Sprintf("weights.%d", k), s.batch, cells))
	}
	if !s.train {
		pass.Tap = func(_ string, n *gorgonia.Node) {
			tape.Keep(n)
			p.latents = append(p.latents, n)
		}
	}
	var err error
	p.loss, p.predictions, err = m.forward(pass, p.images, p.visible, p.targets, p.weights)
	return p, err
}
