package ops

import (
	"sort"
	"time"

	"fasternet/kernels"
)

// Profile collects the time spent in each operation. With a pool of metered kernels
// ([kernels.Set.Metered]) it also divides the time into parts. A nil Profile collects nothing; make
// one with [NewProfile].
type Profile struct {
	begin   time.Time
	pool    *kernels.Pool
	meter   *kernels.Meter // or nil
	trace   *Trace         // or nil
	workers int
	times   map[any]*timed // by op, by nil for the packs, or by the name of a section
	order   []*timed
}

// timed is an entry that is being filled.
type timed struct {
	OpTime
	ledger kernels.Ledger
}

// OpTime is the time spent in one operation.
type OpTime struct {
	Kind, Name string
	Pass       Pass
	Calls      int
	Total      time.Duration
	// Parts add up the work of all workers, the longest part first: together they are Total for each
	// worker. Nil without a meter.
	Parts   []OpPart
	Regions kernels.Regions
}

// Pass is the pass of a step that something belongs to.
type Pass string

// The passes. Around is for the packing of weights and for [Profile.Section].
const (
	Forward  Pass = "forward"
	Backward Pass = "backward"
	Around   Pass = "around"
)

// OpPart is a part of the time of an operation: kernels, or one of the parts below.
type OpPart struct {
	kernels.Part
	Rest string // names a part that is not kernels
}

// The parts of the workers' time that are not kernels.
const (
	// RestOther is the code of an operation around the kernels.
	RestOther = "other"
	// RestWaiting is the time of workers without a task in a region of [kernels.Pool.Run]: until they
	// begin, and until the last one is done.
	RestWaiting = "waiting"
	// RestAlone is the time of workers while the first one does something outside of regions.
	RestAlone = "waiting for one"
)

// NewProfile returns a profile of the runs on a pool.
func NewProfile(pool *kernels.Pool) *Profile {
	return &Profile{
		begin:   time.Now(),
		pool:    pool,
		meter:   pool.Kernels().Meter(),
		workers: pool.Workers(),
		times:   map[any]*timed{},
	}
}

// Measure makes the tape record the time of every operation.
func (t *Tape) Measure(p *Profile) { t.profile = p }

// Section measures something that is not an operation.
func (p *Profile) Section(kind, name string, run func()) { p.section(kind, name, nil, run) }

// section is Section with the memory that it reads and writes.
func (p *Profile) section(kind, name string, memory func() []Extent, run func()) {
	if p == nil {
		run()
		return
	}
	defer p.enter([2]string{kind, name}, OpTime{Kind: kind, Name: name, Pass: Around}, memory)()
	run()
}

func (p *Profile) enterOp(o *op) (leave func()) {
	if p == nil {
		return func() {}
	}
	t := OpTime{Kind: o.Kind, Name: o.Name, Pass: Backward}
	if o.forward {
		t.Pass = Forward
	}
	return p.enter(o, t, o.memory)
}

// enter starts the time of a key.
func (p *Profile) enter(key any, t OpTime, memory func() []Extent) (leave func()) {
	e := p.times[key]
	if e == nil {
		e = &timed{OpTime: t}
		p.times[key] = e
		p.order = append(p.order, e)
	}
	var before *kernels.Ledger
	if p.meter != nil {
		before = p.meter.Enter(&e.ledger)
	}
	traced := p.trace.enter(t, memory)
	begin := p.now()
	return func() {
		traced()
		e.Calls++
		e.Total += p.now() - begin
		if p.meter != nil {
			p.meter.Enter(before)
		}
	}
}

// now returns the time of the meter's clock, so that parts and totals use the same clock.
func (p *Profile) now() time.Duration {
	if p.meter != nil {
		return p.meter.Now()
	}
	return time.Since(p.begin)
}

// Take returns Times, and starts again from zero.
func (p *Profile) Take() []OpTime {
	if p == nil {
		return nil
	}
	out := p.Times()
	for _, e := range p.order {
		e.Calls, e.Total, e.ledger = 0, 0, kernels.Ledger{}
	}
	return out
}

// Times lists the operations, the most expensive first.
func (p *Profile) Times() []OpTime {
	if p == nil {
		return nil
	}
	out := make([]OpTime, len(p.order))
	for i, e := range p.order {
		out[i] = e.OpTime
		if p.meter != nil {
			out[i].Regions = e.ledger.Regions
			out[i].Parts = partsOf(e.Total, e.ledger.Parts(), e.ledger.Regions, p.workers)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Total > out[j].Total })
	return out
}

// partsOf adds the rest of the workers' time to the parts that are kernels.
func partsOf(total time.Duration, parts []kernels.Part, r kernels.Regions, workers int) []OpPart {
	out := make([]OpPart, 0, len(parts)+3)
	other := total - r.Wall + r.Busy // of the first worker outside of regions, and of all workers in tasks
	for _, p := range parts {
		other -= p.Time
		out = append(out, OpPart{Part: p})
	}
	n := time.Duration(workers)
	for _, rest := range []struct {
		name string
		time time.Duration
	}{{RestOther, other}, {RestWaiting, n*r.Wall - r.Busy}, {RestAlone, (n - 1) * (total - r.Wall)}} {
		if rest.time != 0 {
			out = append(out, OpPart{Part: kernels.Part{Time: rest.time}, Rest: rest.name})
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Time > out[j].Time })
	return out
}
