package bench

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"fasternet/internal/memory"
	"fasternet/kernels"

	"github.com/klauspost/cpuid/v2"
)

// PeakOptions say how to measure the peak of the processor.
type PeakOptions struct {
	Threads int           // for the second figure; 0 for one per processor
	Rounds  int           // the result is the median over them
	Each    time.Duration // approximate time of a measurement in a round
	Memory  int           // bytes of each of the three arrays; 0 for four times the last cache, at least 64 MiB
}

// NewPeakOptions returns the defaults: enough rounds for a median, and each so short that some run
// undisturbed on a busy machine; all together take some seconds.
func NewPeakOptions() PeakOptions { return PeakOptions{Rounds: 15, Each: 4 * time.Millisecond} }

// PeakTable holds the peak rates of the processor.
type PeakTable struct {
	Processor string       `json:"processor"`
	Kernels   string       `json:"kernels"` // in use
	Threads   int          `json:"threads"`
	Rounds    int          `json:"rounds"`
	Products  []PeakTiming `json:"products"` // multiply-adds in registers
	Memory    []PeakTiming `json:"memory"`   // loops over arrays that do not fit into a cache
	ArrayMiB  float64      `json:"array_mib"`
	CacheMiB  float64      `json:"last_cache_mib"` // as the processor says; 0 if it does not
}

// PeakTiming is a row of the table.
type PeakTiming struct {
	Format  string   `json:"format"`            // fp32, bf16 or int8; or read, copy or triad
	Path    string   `json:"path"`              // the instructions; or the kernels
	Unit    string   `json:"unit"`              // GFLOPS, GOPS for int8, GB/s
	One     PeakRate `json:"one_thread"`        //
	All     PeakRate `json:"all_threads"`       //
	Missing string   `json:"missing,omitempty"` // why there is no figure
}

// PeakRate holds the median and the best of the rounds. They are nearly equal on an idle machine.
// For products, the best adds up the best tenth of a round of each thread, while the other threads
// were busy too.
type PeakRate struct {
	Median float64 `json:"median"`
	Best   float64 `json:"best"`
}

// RunPeak measures products in registers in every format that the processor has, and the bandwidth
// of the memory, with one thread and with all of them.
func RunPeak(ctx context.Context, o PeakOptions) (PeakTable, error) {
	if o.Rounds < 1 || o.Each <= 0 || o.Threads < 0 || o.Memory < 0 {
		return PeakTable{}, fmt.Errorf("bench: peak: want rounds and time above 0, "+
			"and no negative threads or memory; got %+v", o)
	}
	one, all := kernels.NewPool(1), kernels.NewPool(o.Threads)
	defer one.Close()
	defer all.Close()
	t := PeakTable{
		Processor: kernels.CPU(),
		Kernels:   string(all.Kernels().Variant()),
		Threads:   all.Workers(),
		Rounds:    o.Rounds,
	}
	t.CacheMiB = float64(max(cpuid.CPU.Cache.L3, 0)) / (1 << 20)
	var m peakMeasure
	for _, p := range kernels.Peaks() {
		row := PeakTiming{Format: p.Format, Path: p.Path, Unit: "GFLOPS", Missing: p.Missing}
		if p.Format == kernels.Int8 {
			row.Unit = "GOPS"
		}
		t.Products = append(t.Products, row)
	}
	for i, p := range kernels.Peaks() {
		if p.Run != nil {
			m.add(&t.Products[i].One, one, p.Run)
			m.add(&t.Products[i].All, all, p.Run)
		}
	}
	rows, err := memoryRows(&o, all)
	if err != nil {
		return PeakTable{}, err
	}
	for i := range rows {
		t.Memory = append(t.Memory, rows[i].PeakTiming)
	}
	for i, r := range rows {
		m.add(&t.Memory[i].One, one, r.one)
		m.add(&t.Memory[i].All, all, nil)
		m.last().task = r.all
		for _, p := range m[len(m)-2:] {
			p.slices = 1 // a slice is a whole array
		}
	}
	t.ArrayMiB = float64(o.Memory) / (1 << 20)
	return t, m.run(ctx, o)
}

// peakMeasure lists the measurements of a round. They run one after the other, so that other work of
// the machine disturbs all of them.
type peakMeasure []*peakItem

type peakItem struct {
	result *PeakRate
	pool   *kernels.Pool
	task   func(worker, n int) (ops int) // n rounds on each worker
	n      int
	slices int       // number of slices of a round
	rates  []float64 // of the rounds, in 10⁹ per second
	best   []float64 // best slice of each worker while the others were busy too
	alone  []float64 // best slice of each worker
}

func (m *peakMeasure) add(result *PeakRate, pool *kernels.Pool, run func(n int) int) {
	*m = append(*m, &peakItem{result: result, pool: pool, slices: 10, task: func(_, n int) int { return run(n) }})
}

func (m peakMeasure) last() *peakItem { return m[len(m)-1] }

// run finds how many rounds of each loop take about the requested time, and measures them.
func (m peakMeasure) run(ctx context.Context, o PeakOptions) error {
	for _, p := range m {
		if err := ctx.Err(); err != nil {
			return err
		}
		p.plan(o.Each)
	}
	for range o.Rounds {
		for _, p := range m {
			if err := ctx.Err(); err != nil {
				return err
			}
			p.count(p.once())
		}
	}
	for _, p := range m {
		slices.Sort(p.rates)
		*p.result = PeakRate{Median: quantile(p.rates, 0.5), Best: p.rates[len(p.rates)-1]}
		if p.slices > 1 && slices.Min(p.best) > 0 {
			p.result.Best = max(p.result.Best, sumOf(p.best))
		}
	}
	return nil
}

// plan doubles the number of rounds until the time is long enough to extrapolate. It needs that
// three times, because other work of the machine may have taken the time.
func (p *peakItem) plan(each time.Duration) {
	for p.n = 1; ; p.n *= 2 {
		best := time.Duration(math.MaxInt64)
		for range 3 {
			for _, r := range p.once() {
				w := whole(r)
				best = min(best, w.end-w.begin)
			}
			if best < each/8 {
				break
			}
		}
		if best >= each/8 || p.n > 1<<40 {
			p.n = max(1, int(float64(p.n)*float64(each)/float64(max(best, 1))))
			return
		}
	}
}

// together is how long workers wait for each other before they begin. If it takes longer, a worker
// has no processor.
const together = 20 * time.Millisecond

// once lets all workers run a round. They begin at the same time, if the machine allows it.
func (p *peakItem) once() [][]peakSlice {
	workers := p.pool.Workers()
	runs := make([][]peakSlice, workers)
	var there atomic.Int64
	start := time.Now()
	p.pool.Run(workers, func(_, i int) {
		for there.Add(1); int(there.Load()) < workers && time.Since(start) < together; {
			runtime.Gosched()
		}
		for k := range p.slices {
			n := (k+1)*p.n/p.slices - k*p.n/p.slices
			s := peakSlice{begin: time.Since(start)}
			s.ops = p.task(i, n)
			s.end = time.Since(start)
			runs[i] = append(runs[i], s)
		}
	})
	return runs
}

// count adds the rates of a round.
func (p *peakItem) count(runs [][]peakSlice) {
	p.rates = append(p.rates, rateOf(runs))
	if p.best == nil {
		p.best, p.alone = make([]float64, len(runs)), make([]float64, len(runs))
	}
	from, to := window(runs)
	bestSlices(p.best, runs, from, to)
	bestSlices(p.alone, runs, 0, math.MaxInt64)
}

// peakSlice is a slice of the work of one worker.
type peakSlice struct {
	ops        int
	begin, end time.Duration
}

func (s peakSlice) rate() float64 { return float64(s.ops) / float64(max(s.end-s.begin, 1)) }

// whole joins the slices of a worker.
func whole(slices []peakSlice) peakSlice {
	w := peakSlice{begin: slices[0].begin, end: slices[len(slices)-1].end}
	for _, s := range slices {
		w.ops += s.ops
	}
	return w
}

// window returns the time in which all workers were busy.
func window(runs [][]peakSlice) (from, to time.Duration) {
	to = math.MaxInt64
	for _, r := range runs {
		w := whole(r)
		from, to = max(from, w.begin), min(to, w.end)
	}
	return from, to
}

// rateOf adds up the rates of the workers, each over its own time, if they ran at the same time. If
// one began much later, the sum would be more than they can do together; then the time counts from
// the first to the last.
func rateOf(runs [][]peakSlice) float64 {
	from, to := window(runs)
	first, last, ops, sum, shared := time.Duration(math.MaxInt64), time.Duration(0), 0, 0.0, true
	for _, r := range runs {
		w := whole(r)
		first, last = min(first, w.begin), max(last, w.end)
		ops += w.ops
		sum += w.rate()
		shared = shared && 10*(to-from) >= 9*(w.end-w.begin)
	}
	if shared {
		return sum
	}
	return float64(ops) / float64(max(last-first, 1))
}

// bestSlices keeps the best rate of each worker within some time.
func bestSlices(best []float64, runs [][]peakSlice, from, to time.Duration) {
	for i, r := range runs {
		for _, s := range r {
			if s.begin >= from && s.end <= to {
				best[i] = max(best[i], s.rate())
			}
		}
	}
}

func sumOf(x []float64) (sum float64) {
	for _, v := range x {
		sum += v
	}
	return sum
}

// memoryRow is a kernel that runs over whole arrays.
type memoryRow struct {
	PeakTiming
	one func(n int) (bytes int)
	all func(worker, n int) (bytes int)
}

// memoryRows makes the arrays and the loops over them. It counts bytes like the STREAM benchmark:
// bytes that the loop reads and writes, but not lines that a processor reads before it overwrites
// them.
func memoryRows(o *PeakOptions, all *kernels.Pool) ([]memoryRow, error) {
	const arrays, least, most = 3, 64 << 20, 1 << 30
	if o.Memory == 0 {
		o.Memory = min(max(4*cpuid.CPU.Cache.L3, least), most)
	}
	if err := memory.Check("the arrays to measure memory with", arrays*o.Memory); err != nil {
		return nil, err
	}
	n := max(o.Memory/4/all.Workers()/16*16, 16) // values per worker
	parts := make([][arrays][]float32, all.Workers())
	var whole [arrays][]float32
	for i := range whole {
		whole[i] = kernels.Aligned(n * len(parts))
	}
	all.Run(len(parts), func(_, w int) { // the worker that uses a part touches it first
		for i, v := range whole {
			parts[w][i] = v[w*n : (w+1)*n]
			for k := range parts[w][i] {
				parts[w][i][k] = 1
			}
		}
	})
	k := all.Kernels()
	var rows []memoryRow
	for _, op := range []struct {
		name  string
		bytes int // per value
		run   func(a, b, c []float32)
	}{
		{"read", 4, func(a, _, _ []float32) { k.SumSquares(a) }},
		{"copy", 8, func(a, b, _ []float32) {
			k.Copy(kernels.NewMatrix(a, 1, len(a)), kernels.NewMatrix(b, 1, len(b)))
		}},
		{"triad", 12, func(a, b, c []float32) {
			k.Combine(
				kernels.NewMatrix(a, 1, len(a)),
				kernels.NewMatrix(b, 1, len(b)),
				kernels.NewMatrix(c, 1, len(c)), 1, 0.5)
		}},
	} {
		sweep := func(v [arrays][]float32, n int) int {
			for range n {
				op.run(v[0], v[1], v[2])
			}
			return n * op.bytes * len(v[0])
		}
		rows = append(rows, memoryRow{
			PeakTiming: PeakTiming{Format: op.name, Path: string(k.Variant()), Unit: "GB/s"},
			one:        func(n int) int { return sweep(whole, n) },
			all:        func(worker, n int) int { return sweep(parts[worker], n) },
		})
	}
	return rows, nil
}
