package ops

import (
	"fmt"
	"math"
	"sort"

	"fasternet/internal/memory"
	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Workspace is the memory of graphs that do not run at the same time: an arena for their
// activations, and scratch for each worker of the pool.
type Workspace struct {
	pool    *kernels.Pool
	arena   []float32
	scratch [][]float32
	moves   int // how often the memory has moved
}

// NewWorkspace returns an empty workspace for a pool. It grows as tapes are planned.
func NewWorkspace(pool *kernels.Pool) *Workspace { return &Workspace{pool: pool} }

// Pool returns the pool that the graphs run on.
func (w *Workspace) Pool() *kernels.Pool { return w.pool }

// Bytes returns the size of the memory held.
func (w *Workspace) Bytes() int {
	n := len(w.arena)
	for _, s := range w.scratch {
		n += len(s)
	}
	return 4 * n
}

// reserve makes the memory as large as a tape needs it, or returns an error if there is not enough.
func (w *Workspace) reserve(arena, scratch int) error {
	more := 0
	if arena > len(w.arena) {
		more += arena
	}
	for i := range w.pool.Goroutines() {
		if w.scratch == nil || scratch > len(w.scratch[i]) {
			more += scratch
		}
	}
	if err := memory.Check("the activations", 4*more); err != nil {
		return fmt.Errorf("%w: a smaller batch takes less (--batch, or train.batch_size with "+
			"train.accum_steps for the same step)", err)
	}
	moved := w.moves == 0
	if arena > len(w.arena) {
		w.arena = kernels.Aligned(arena)
		moved = true
	}
	if w.scratch == nil {
		w.scratch = make([][]float32, w.pool.Goroutines())
	}
	for i := range w.scratch {
		if scratch > len(w.scratch[i]) {
			w.scratch[i] = kernels.Aligned(scratch)
			moved = true
		}
	}
	if moved {
		w.moves++
	}
	return nil
}

// Buffer is planned memory. It is alive from the first to the last op that touches it. If it is
// forgotten in between, it has several lives at the same place, and others may use the place
// between them.
type Buffer struct {
	tape   *Tape
	size   int
	lives  []life
	asleep bool // the next touch begins a new life
	offset int
	reuse  *Buffer // buffer whose memory it may take if that is free by then
	home   *Buffer // buffer whose memory it takes, or nil
	ops    []*op   // ops with this result, if any
	data   []float32
}

// life is the first and the last op that touch a buffer before it is forgotten.
type life struct{ first, last int }

// NewBuffer plans memory for n float32 values besides inputs and results: for example values that a
// forward op keeps for its backward op, or memory that the workers share. List it in Uses of every
// [Spec] whose Run touches it. It keeps its contents from the first to the last of these ops in the
// same run.
func (t *Tape) NewBuffer(n int) *Buffer {
	b := &Buffer{tape: t, size: n}
	t.buffers = append(t.buffers, b)
	return b
}

// Data returns the memory, for use in Run of the ops that have the buffer in Uses. It may be at
// another place in the next run.
func (b *Buffer) Data() []float32 { return b.data }

func (b *Buffer) touch(op int) {
	if b.asleep || len(b.lives) == 0 {
		b.lives, b.asleep = append(b.lives, life{op, op}), false
		return
	}
	l := &b.lives[len(b.lives)-1]
	l.last = max(l.last, op)
}

// forget says that the contents of the buffer are not needed any more: the next op that touches it
// writes it again.
func (b *Buffer) forget() { b.asleep = true }

// keep joins all lives into one that does not end.
func (b *Buffer) keep() { b.lives, b.asleep = []life{{b.lives[0].first, math.MaxInt}}, false }

// meets says whether two buffers are alive at the same time.
func (b *Buffer) meets(c *Buffer) bool {
	for _, l := range b.lives {
		for _, m := range c.lives {
			if l.first <= m.last && m.first <= l.last {
				return true
			}
		}
	}
	return false
}

// NeedScratch makes sure that every worker has n float32 values of scratch in every op.
func (t *Tape) NeedScratch(n int) { t.scratch = max(t.scratch, n) }

// Scratch returns memory of a worker, for use within a task of the pool in Run. It has at least as
// many values as [Tape.NeedScratch] asked for. Its contents are undefined.
func (t *Tape) Scratch(worker int) []float32 { return t.space.scratch[worker] }

// Keep keeps the memory of a node's value until the end of the run. It must be called before Plan.
func (t *Tape) Keep(n *gorgonia.Node) {
	if o, ok := n.Op().(*op); ok && o.out != nil {
		o.out.keep()
	}
}

// Value returns the memory of a node that was kept, valid until the next run.
func (t *Tape) Value(n *gorgonia.Node) []float32 {
	o := n.Op().(*op)
	if o.scalar != nil {
		return o.scalarOut[:]
	}
	return o.value.(*tensor.Dense).Float32s()
}

// Plan checks the graph and gives every buffer its place: buffers that are not alive at the same
// time share memory. Large ones are placed first, each at the lowest address that is free during
// its whole life ("greedy by size", Pisarchyk and Lee, 2020).
func (t *Tape) Plan() error {
	if err := t.check(); err != nil {
		return err
	}
	const align = 16 // values in a cache line
	bySize := make([]*Buffer, 0, len(t.buffers))
	for _, b := range t.buffers {
		if len(b.lives) == 0 {
			return fmt.Errorf("ops: no op uses a buffer of %d values", b.size)
		}
		if !t.takesOver(b) {
			bySize = append(bySize, b)
		}
	}
	sort.SliceStable(bySize, func(i, j int) bool { return bySize[i].size > bySize[j].size })
	var placed []*Buffer // by address
	for _, b := range bySize {
		b.offset = 0
		for _, p := range placed {
			if !p.meets(b) {
				continue
			}
			if b.offset+b.size <= p.offset {
				break
			}
			b.offset = max(b.offset, (p.offset+p.size+align-1)/align*align)
		}
		at := sort.Search(len(placed), func(i int) bool { return placed[i].offset > b.offset })
		placed = append(placed[:at], append([]*Buffer{b}, placed[at:]...)...)
		t.arena = max(t.arena, b.offset+b.size)
	}
	t.planPacks()
	if err := t.space.reserve(t.arena, t.scratch); err != nil {
		if t.Train && t.chains == 0 {
			err = fmt.Errorf("%w; so does train.grad_checkpointing=true", err)
		}
		return err
	}
	t.bind()
	return nil
}

// takesOver lets b live in the memory of the buffer that it may overwrite, if the op that makes b
// is the last reader of that buffer.
func (t *Tape) takesOver(b *Buffer) bool {
	if b.reuse == nil {
		return false
	}
	home := b.reuse.root()
	last := &home.lives[len(home.lives)-1]
	if last.last != b.lives[0].first || home.size != b.size {
		return false
	}
	last.last = b.lives[0].last
	home.lives = append(home.lives, b.lives[1:]...)
	b.home = home
	return true
}

// root returns the buffer whose memory b lives in.
func (b *Buffer) root() *Buffer {
	if b.home != nil {
		return b.home
	}
	return b
}

// bind points the buffers at the memory of the workspace.
func (t *Tape) bind() {
	t.seen = t.space.moves
	for _, b := range t.buffers {
		r := b.root()
		b.data = t.space.arena[r.offset : r.offset+b.size : r.offset+b.size]
		for _, o := range b.ops {
			o.value = tensor.New(tensor.WithShape(o.Shape...), tensor.WithBacking(b.data))
		}
	}
}

// ArenaBytes returns the size of the planned arena of this graph.
func (t *Tape) ArenaBytes() int { return 4 * t.arena }
