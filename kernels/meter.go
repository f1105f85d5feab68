package kernels

import (
	"fmt"
	"sort"
	"sync/atomic"
	"time"
)

// Kind is what a kernel does, for a [Meter].
type Kind uint8

// The kinds. A convolution is a product whose inner index has segments. The affine kernels of a
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

// Work describes the calls of kernels whose times are added together.
type Work struct {
	Kind Kind
	// For products and convolutions: whether it is Aᵀ·B, as for gradients of weights; the inner
	// index and the columns of the result, or for Aᵀ·B the rows and columns of the result; and
	// the precision.
	Transposed     bool
	Inner, Columns int
	Precision      Precision
}

// WithoutSizes returns the work without its sizes.
func (w Work) WithoutSizes() Work {
	w.Inner, w.Columns = 0, 0
	return w
}

// String returns, for example, "product 40→80" for an inner index of 40 and 80 columns, and
// "product AᵀB 80×40" for a result of that size. In bf16 it ends with "bf16".
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
	Bytes float64       // of other kernels: read and written, in a cache or not
}

// Regions adds up the calls of [Pool.Run].
type Regions struct {
	Count, Tasks int
	Wall         time.Duration // from the call to its return
	Busy         time.Duration // of all tasks together
	Longest      time.Duration // the longest task of each region, added up: more workers cannot make Wall shorter
}

// Add adds other regions.
func (r *Regions) Add(o Regions) {
	r.Count += o.Count
	r.Tasks += o.Tasks
	r.Wall += o.Wall
	r.Busy += o.Busy
	r.Longest += o.Longest
}

// Meter measures how long the kernels of a set take: see [Set.Metered]. Results keep their bits.
type Meter struct {
	bare  *Set                 // the same kernels without a meter
	clock func() time.Duration // since some moment
	into  atomic.Pointer[Ledger]
}

// Metered returns the same kernels with a meter. A matrix that is packed for one of the two sets
// does not fit the other, so a pool keeps its set. The clock may be nil for the usual one; several
// goroutines call it at the same time.
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

// Enter makes the meter add to a ledger, or to none, from now on. It returns the ledger before.
// No kernel may be running.
func (m *Meter) Enter(l *Ledger) (before *Ledger) { return m.into.Swap(l) }

// Now returns the time of the meter's clock since some moment.
func (m *Meter) Now() time.Duration { return m.clock() }

// Ledger adds up the measurements of a meter. Several workers may add at the same time. Read it,
// and write Regions, only while none does.
type Ledger struct {
	slots   [64]slot            // of work with sizes
	kinds   [6 * kindCount]slot // of work without sizes, by kind, precision, and whether it is Aᵀ·B
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

// A key holds kind (5 bits), Aᵀ·B (1), precision (2), then two sizes of 28 bits. It is never 0.
const keySize = 1<<28 - 1

func (w Work) key() uint64 {
	inner, columns := uint64(min(w.Inner, keySize)), uint64(min(w.Columns, keySize))
	key := uint64(w.Kind) | uint64(w.Precision)<<6 | inner<<8 | columns<<36
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

// at finds the slot of a work with its sizes. If other work has taken all of these slots, it
// returns the slot of the kind.
func (l *Ledger) at(w Work) *slot {
	key := w.key()
	if w.Inner > 0 {
		// Fibonacci hashing (Knuth, TAOCP 3, §6.4): times 2^64/φ, and the upper 6 bits for 64 slots.
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

// Parts returns what has been added, the longest time first.
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

// Lap is a measurement in progress. The zero value measures nothing.
type Lap struct {
	meter *Meter
	begin time.Duration
}

// Begin starts a measurement if the set has a meter. It is for loops of an op that are not
// kernels. No kernel of the set may run before End, or its time would count twice.
func (k *Set) Begin() Lap {
	if k.meter == nil {
		return Lap{}
	}
	return Lap{k.meter, k.meter.clock()}
}

// End adds FLOPs or bytes, and the time since Begin.
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

// begin starts the measurement of products with p. In bf16, conversions and products are measured
// one by one instead.
func (p *Packed) begin() Lap {
	if p.Precision == BF16 {
		return Lap{}
	}
	return p.Kernels.Begin()
}

// Unmetered returns the same kernels without a meter, for use within a measurement. A matrix that
// is packed for one of the two sets does not fit the other.
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
