package kernels

import (
	"fmt"
	"sort"
	"sync/atomic"
	"time"
)

// Kind is what a kernel does, for a [Meter].
type Kind uint8

// The kinds. Convolutions are products whose inner index has segments; the affine kernels of a
// batch norm with an activation count as activation.
const (
	Product Kind = iota + 1
	Convolution
	BatchNorm
	ActivationKind
	LayerNormKind
	Softmax
	Addition   // of maps: residuals, sums of gradients
	Reduction  // sums over rows or values
	Copying    // without a change of the format
	Packing    // in the order in which products read
	Conversion // to bfloat16 and back
	Clearing
	Updating // of weights
	kindCount
)

var kindNames = [kindCount]string{
	Product:        "product",
	Convolution:    "convolution",
	BatchNorm:      "batch norm",
	ActivationKind: "activation",
	LayerNormKind:  "layer norm",
	Softmax:        "softmax",
	Addition:       "addition",
	Reduction:      "sums",
	Copying:        "copies",
	Packing:        "packing",
	Conversion:     "conversion",
	Clearing:       "clearing",
	Updating:       "update",
}

func (k Kind) String() string {
	if k == 0 || k >= kindCount {
		return "no kind"
	}
	return kindNames[k]
}

// Work is what calls of kernels have in common whose time is added up.
type Work struct {
	Kind Kind
	// Of products and convolutions: whether it is Aᵀ·B, as for gradients of weights; the
	// inner index and the columns of the result, or for Aᵀ·B the rows and the columns of the
	// result; the precision.
	Transposed     bool
	Inner, Columns int
	Precision      Precision
}

// WithoutSizes is the work of all sizes together.
func (w Work) WithoutSizes() Work {
	w.Inner, w.Columns = 0, 0
	return w
}

// String is "product 40→80", an inner index of 40 and 80 columns; "product AᵀB 80×40" for a
// result of that size; with "bf16" in that precision.
func (w Work) String() string {
	s := w.Kind.String()
	if w.Precision != FP32 {
		s += " " + w.Precision.String()
	}
	if w.Transposed {
		s += " AᵀB"
	}
	switch {
	case w.Inner == 0:
		return s
	case w.Transposed:
		return fmt.Sprintf("%s %d×%d", s, w.Inner, w.Columns)
	}
	return fmt.Sprintf("%s %d→%d", s, w.Inner, w.Columns)
}

// Part is the time of all calls of kernels with the same work.
type Part struct {
	Work
	Calls int
	Time  time.Duration // of all workers together
	FLOPs float64       // of products and convolutions: 2 for a multiply-add
	Bytes float64       // of others: read and written, whether in a cache or not
}

// Regions are what [Pool.Run] did.
type Regions struct {
	Count, Tasks int
	Wall         time.Duration // from the call to its return
	Busy         time.Duration // of all tasks together
	Longest      time.Duration // the longest task of each region, added up: no number of workers makes Wall shorter
}

// Add adds the regions of another run.
func (r *Regions) Add(o Regions) {
	r.Count += o.Count
	r.Tasks += o.Tasks
	r.Wall += o.Wall
	r.Busy += o.Busy
	r.Longest += o.Longest
}

// Meter measures how long the kernels of a set take: see [Set.Metered]. The results are the
// same to the bit.
type Meter struct {
	bare  *Set                 // the same kernels without a meter
	clock func() time.Duration // since some moment
	into  atomic.Pointer[Ledger]
}

// Metered are the same kernels with a meter. A packed matrix of the one set is not one of the
// other, so that a pool has one of them for good. The clock may be nil for the usual one; many
// goroutines ask it at a time.
func (k *Set) Metered(clock func() time.Duration) *Set {
	k = k.Unmetered()
	if clock == nil {
		begin := time.Now()
		clock = func() time.Duration { return time.Since(begin) }
	}
	m := &Meter{bare: k, clock: clock}
	s := *k
	s.meter, s.half = m, m.measureHalves(k.half)
	m.measure(&s.functions)
	return &s
}

// Meter returns the meter of the set, or nil.
func (k *Set) Meter() *Meter { return k.meter }

// Enter has the meter add to a ledger what begins from now on, or to none, and returns the
// ledger before. No kernel may be running.
func (m *Meter) Enter(l *Ledger) (before *Ledger) { return m.into.Swap(l) }

// Now is the time of the meter's clock since some moment.
func (m *Meter) Now() time.Duration { return m.clock() }

// Ledger is where a meter adds up. Any number of workers may add at a time; it is read, and
// Regions are written, when none does.
type Ledger struct {
	slots   [64]slot            // of work with sizes
	kinds   [6 * kindCount]slot // of work without, by kind, precision, and whether it is Aᵀ·B
	Regions Regions
}

// slot is the time of one kind of work, in a cache line of its own.
type slot struct {
	key    atomic.Uint64
	calls  atomic.Int64
	time   atomic.Int64
	amount atomic.Int64 // FLOPs or bytes
	_      [32]byte
}

// The fields of a key: kind, Aᵀ·B, precision, then two sizes. It is never 0.
const keySize = 1<<28 - 1

func (w Work) key() uint64 {
	key := uint64(w.Kind) | uint64(w.Precision)<<6 | uint64(min(w.Inner, keySize))<<8 | uint64(min(w.Columns, keySize))<<36
	if w.Transposed {
		key |= 1 << 5
	}
	return key
}

func workOf(key uint64) Work {
	return Work{
		Kind: Kind(key & 31), Transposed: key>>5&1 == 1, Precision: Precision(key >> 6 & 3),
		Inner: int(key >> 8 & keySize), Columns: int(key >> 36 & keySize),
	}
}

// at finds the slot of a work: that of its sizes, or where others have taken all of these, that
// of its kind.
func (l *Ledger) at(w Work) *slot {
	key := w.key()
	if w.Inner > 0 {
		h := int(key * 0x9e3779b97f4a7c15 >> 58)
		for i := range len(l.slots) / 2 {
			s := &l.slots[(h+i)%len(l.slots)]
			k := s.key.Load()
			if k == key || k == 0 && (s.key.CompareAndSwap(0, key) || s.key.Load() == key) {
				return s
			}
		}
		key = w.WithoutSizes().key()
	}
	i := 6*int(w.Kind) + 2*int(w.Precision)
	if w.Transposed {
		i++
	}
	s := &l.kinds[i]
	s.key.Store(key)
	return s
}

// Parts are what has been added, the longest first.
func (l *Ledger) Parts() []Part {
	var out []Part
	for i := range len(l.slots) + len(l.kinds) {
		s := &l.kinds[max(i-len(l.slots), 0)]
		if i < len(l.slots) {
			s = &l.slots[i]
		}
		key := s.key.Load()
		if key == 0 {
			continue
		}
		p := Part{Work: workOf(key), Calls: int(s.calls.Load()), Time: time.Duration(s.time.Load())}
		if p.Kind == Product || p.Kind == Convolution {
			p.FLOPs = float64(s.amount.Load())
		} else {
			p.Bytes = float64(s.amount.Load())
		}
		out = append(out, p)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Time > out[j].Time })
	return out
}

// Lap is a measurement in progress; the zero value measures nothing.
type Lap struct {
	meter *Meter
	begin time.Duration
}

// Begin starts a measurement, if the set has a meter: for loops of an op that are no kernel.
// No kernel of the set may run until its End, or the time would count twice.
func (k *Set) Begin() Lap {
	if k.meter == nil {
		return Lap{}
	}
	return Lap{k.meter, k.meter.clock()}
}

// End adds FLOPs or bytes, and the time since the beginning.
func (l Lap) End(w Work, amount int) {
	if l.meter == nil {
		return
	}
	now := l.meter.clock()
	into := l.meter.into.Load()
	if into == nil {
		return
	}
	s := into.at(w)
	s.calls.Add(1)
	s.time.Add(int64(now - l.begin))
	s.amount.Add(int64(amount))
}

// begin is that of products with p: in bf16 the conversions and the products are measured one
// by one instead.
func (p *Packed) begin() Lap {
	if p.Precision == BF16 {
		return Lap{}
	}
	return p.Kernels.Begin()
}

// Unmetered are the same kernels without a meter, for use within a measurement. What is packed
// for the one set is not for the other.
func (k *Set) Unmetered() *Set {
	if k.meter == nil {
		return k
	}
	return k.meter.bare
}

// workerTime is the time of the tasks of a worker, in a cache line of its own.
type workerTime struct {
	busy, longest time.Duration
	_             [48]byte
}

// region is [Pool.Run], measured task by task.
func (m *Meter) region(p *Pool, tasks int, f func(worker, task int)) {
	times := make([]workerTime, p.Goroutines())
	begin := m.clock()
	p.run(tasks, func(worker, task int) {
		begin := m.clock()
		f(worker, task)
		d := m.clock() - begin
		t := &times[worker]
		t.busy += d
		t.longest = max(t.longest, d)
	})
	wall := m.clock() - begin
	into := m.into.Load()
	if into == nil || tasks <= 0 {
		return
	}
	r := Regions{Count: 1, Tasks: tasks, Wall: wall}
	for _, t := range times {
		r.Busy += t.busy
		r.Longest = max(r.Longest, t.longest)
	}
	into.Regions.Add(r)
}
