package ops

import (
	"time"
	"unsafe"

	"fasternet/kernels"
)

// Trace records what a pool does, op by op, region by region and task by task, for tools that show
// how the work is divided. [Profile.Record] starts it.
type Trace struct {
	pool    *kernels.Pool
	ops     []TracedOp
	memory  []func() []Extent // of each op, or nil; called when nothing is measured
	running bool              // an op is running
}

// TracedOp is an op that ran, a section of [Profile.Section], or, without a Kind, a region outside
// of both.
type TracedOp struct {
	Kind, Name string
	Pass       Pass
	Begin      time.Time
	Wall       time.Duration
	Regions    []kernels.TracedRegion // in their order
	// Memory that it reads or writes: inputs, result, planned buffers, and parameters with their
	// gradients, but not the scratch of the workers. It is nil for a section.
	Memory []Extent
}

// Extent is a range of memory.
type Extent struct {
	Address uintptr
	Bytes   int
}

// ExtentOf returns the memory of some values.
func ExtentOf(values []float32) Extent {
	return Extent{uintptr(unsafe.Pointer(unsafe.SliceData(values))), 4 * len(values)}
}

// Record starts to record everything that runs on the pool of the profile.
func (p *Profile) Record() *Trace {
	t := &Trace{pool: p.pool}
	p.trace = t
	p.pool.Trace(t.Region)
	return t
}

// Take returns what ran since the last call, in its order.
func (t *Trace) Take() []TracedOp {
	done := t.ops
	for i, m := range t.memory {
		if m != nil {
			done[i].Memory = m()
		}
	}
	t.ops, t.memory = nil, nil
	return done
}

// Stop ends the recording.
func (t *Trace) Stop() { t.pool.Trace(nil) }

// Region adds a region to the current op, for callers that replace the function of [kernels.Pool.Trace].
func (t *Trace) Region(r kernels.TracedRegion) {
	if !t.running {
		t.ops, t.memory = append(t.ops, TracedOp{Begin: r.Begin, Wall: r.Wall}), append(t.memory, nil)
	}
	o := &t.ops[len(t.ops)-1]
	o.Regions = append(o.Regions, r)
}

// enter begins an op or a section. It may be called on nil.
func (t *Trace) enter(e OpTime, memory func() []Extent) (leave func()) {
	if t == nil {
		return func() {}
	}
	t.ops = append(t.ops, TracedOp{Kind: e.Kind, Name: e.Name, Pass: e.Pass, Begin: time.Now()})
	t.memory = append(t.memory, memory)
	t.running = true
	return func() {
		last := &t.ops[len(t.ops)-1]
		last.Wall = time.Since(last.Begin)
		t.running = false
	}
}

// memory returns what the op reads and writes in the current run.
func (o *op) memory() []Extent {
	var out []Extent
	add := func(values []float32) {
		if len(values) > 0 {
			out = append(out, ExtentOf(values))
		}
	}
	if o.Kind == KindGradient { // the op before it has computed the gradient
		return nil
	}
	for _, v := range o.in {
		add(v)
	}
	if o.out != nil {
		add(o.out.data)
	}
	for _, b := range o.Uses {
		add(b.data)
	}
	for _, p := range o.learned {
		add(p.Data())
		add(p.GradData())
	}
	return out
}

// packMemory returns what the packing of the weights reads. A packed weight counts as the weight,
// because ops that read it have the weight as an input.
func (t *Tape) packMemory() []Extent {
	var out []Extent
	for _, q := range t.packs {
		if q.stale {
			out = append(out, ExtentOf(q.param.Data()))
		}
	}
	return out
}
