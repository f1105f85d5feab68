package bench

import (
	"cmp"
	"context"
	"slices"
	"sort"
	"time"

	"fasternet/kernels"
	"fasternet/ops"
)

// ProfileEntry is the mean time of an operation in one run.
type ProfileEntry struct {
	Op    string      `json:"op"`
	Name  string      `json:"name"`
	Pass  ops.Pass    `json:"pass"` // forward, backward, around
	MS    float64     `json:"ms"`
	Share float64     `json:"share"` // of the run
	Parts []PartEntry `json:"parts"` // the longest first; their times add up to MS
	// Regions of parallel work in a run, their tasks, and the time of the longest task of
	// each: more threads than there are cannot make the operation shorter.
	Regions   float64 `json:"regions"`
	Tasks     float64 `json:"tasks"`
	LongestMS float64 `json:"longest_ms"`
}

// PartEntry is the mean time of a part in one run. The time is that of all threads together,
// divided by their number.
type PartEntry struct {
	Part   string   `json:"part"` // of products with their inner index and columns, or the rows and columns of Aᵀ·B
	Pass   ops.Pass `json:"pass"`
	Calls  float64  `json:"calls"` // of kernels
	MS     float64  `json:"ms"`
	Share  float64  `json:"share"`             // of the run
	GFLOPS float64  `json:"gflops,omitempty"`  // of all threads while they do it
	OfPeak float64  `json:"of_peak,omitempty"` // share of the peak of its precision
	GBps   float64  `json:"gb_per_s,omitempty"`

	// Sums over the run, from which the rates are.
	flops, bytes float64
	precision    kernels.Precision
	kernels      bool
	kind         string // the part without sizes
}

// ProfileSums are the parts of the whole run.
type ProfileSums struct {
	Runs      int                `json:"runs"`   // that are divided: the faster half, which other work on the machine has disturbed less
	RunMS     float64            `json:"run_ms"` // their mean; the shares are of it
	Parts     []PartEntry        `json:"parts"`  // of each kind in each pass, the longest first; their times add up to RunMS
	Peaks     map[string]float64 `json:"peaks"`  // GFLOPS of all threads, by precision: the best of some rounds before and after the runs
	Regions   float64            `json:"regions"`
	LongestMS float64            `json:"longest_ms"`
}

// profiled is a profile that begins after the runs that are not timed.
type profiled struct {
	*ops.Profile
	runs  []profiledRun
	last  time.Duration // of the run that has not been taken
	peaks peakMeasure
	rates map[kernels.Precision]*peakItem
}

// profiledRun is what was measured in one run.
type profiledRun struct {
	time time.Duration
	ops  []ops.OpTime
}

// around measures a step as a whole.
func (p *profiled) around(step func() error) func() error {
	return func() error {
		begin := time.Now()
		err := step()
		p.last = time.Since(begin)
		return err
	}
}

// take puts the last run away. It is called between runs.
func (p *profiled) take() {
	if p.Profile != nil && p.last > 0 {
		p.runs = append(p.runs, profiledRun{p.last, p.Take()})
	}
	p.last = 0
}

// fasterHalf drops the slower half of the runs, and adds up what the others did.
func (p *profiled) fasterHalf() (runs int, sum time.Duration, times []ops.OpTime) {
	slices.SortStableFunc(p.runs, func(a, b profiledRun) int { return cmp.Compare(a.time, b.time) })
	half := p.runs[:(len(p.runs)+1)/2]
	for _, r := range half {
		sum += r.time
		times = ops.AddTimes(times, r.ops)
	}
	return len(half), sum, times
}

// section measures a part of a step that is no operation. It may be called on nil.
func (p *profiled) section(name string, run func()) {
	if p == nil {
		run()
		return
	}
	p.Section("optimizer", name, run)
}

// begin measures the peaks a first time, and returns the profile of what follows.
func (p *profiled) begin(ctx context.Context, pool *kernels.Pool, precision kernels.Precision) (*ops.Profile, error) {
	p.rates = map[kernels.Precision]*peakItem{}
	for _, in := range slices.Compact([]kernels.Precision{kernels.FP32, precision}) {
		loop, err := pool.Kernels().Peak(in)
		if err != nil {
			continue // an emulation: there is nothing to compare with
		}
		p.peaks.add(new(PeakRate), pool, loop.Run)
		p.rates[in] = p.peaks.last()
	}
	if err := p.measurePeaks(ctx); err != nil {
		return nil, err
	}
	p.Profile, p.last = ops.NewProfile(pool), 0
	return p.Profile, nil
}

func (p *profiled) measurePeaks(ctx context.Context) error {
	return p.peaks.run(ctx, PeakOptions{Rounds: 20, Each: time.Millisecond})
}

// end measures the peaks a second time, and divides the runs.
func (p *profiled) end(ctx context.Context, workers int) ([]ProfileEntry, *ProfileSums, error) {
	p.take()
	if err := p.measurePeaks(ctx); err != nil {
		return nil, nil, err
	}
	runs, total, times := p.fasterHalf()
	runMS := milliseconds(total) / float64(runs)
	s := &ProfileSums{Runs: runs, RunMS: runMS, Peaks: map[string]float64{}}
	for in, m := range p.rates {
		s.Peaks[in.String()] = m.result.Best
		if slices.Min(m.best) == 0 { // they never ran at the same time, on a busy machine
			s.Peaks[in.String()] = sumOf(m.alone)
		}
	}
	entries := make([]ProfileEntry, 0, len(times)+1)
	rest := runMS
	for _, t := range times {
		e := entryOf(t, workers, runs)
		rest -= e.MS
		entries = append(entries, e)
	}
	// Gorgonia's machine, and what binds the inputs of the graph.
	between := ProfileEntry{Op: "graph", Name: "between the operations", Pass: ops.Around, MS: rest}
	n := float64(workers)
	between.Parts = []PartEntry{{Part: ops.RestOther, kind: ops.RestOther, Pass: ops.Around, MS: rest / n}}
	if workers > 1 {
		between.Parts = append(between.Parts, PartEntry{Part: ops.RestAlone, kind: ops.RestAlone, Pass: ops.Around, MS: rest * (n - 1) / n})
	}
	entries = append(entries, between)
	sort.SliceStable(entries, func(i, j int) bool { return entries[i].MS > entries[j].MS })

	for i := range entries {
		e := &entries[i]
		e.Share = e.MS / runMS
		s.Regions += e.Regions
		s.LongestMS += e.LongestMS
		for k := range e.Parts {
			e.Parts[k].finish(s)
		}
	}
	s.Parts = sumParts(entries)
	for i := range s.Parts {
		s.Parts[i].finish(s)
	}
	return entries, s, nil
}

func entryOf(t ops.OpTime, workers, runs int) ProfileEntry {
	each := func(d time.Duration) float64 { return milliseconds(d) / float64(runs) }
	e := ProfileEntry{
		Op: t.Kind, Name: t.Name, Pass: t.Pass, MS: each(t.Total),
		Regions: float64(t.Regions.Count) / float64(runs), Tasks: float64(t.Regions.Tasks) / float64(runs), LongestMS: each(t.Regions.Longest),
	}
	for _, p := range t.Parts {
		x := PartEntry{Part: p.Rest, kind: p.Rest, Pass: t.Pass, MS: each(p.Time) / float64(workers)}
		if p.Rest == "" {
			x.Part, x.kernels, x.precision = p.Work.String(), true, p.Precision
			x.kind = p.Work.WithoutSizes().String()
			x.Calls = float64(p.Calls) / float64(runs)
			x.flops, x.bytes = p.FLOPs/float64(runs), p.Bytes/float64(runs)
		}
		e.Parts = append(e.Parts, x)
	}
	return e
}

// finish computes the rates and the shares.
func (x *PartEntry) finish(s *ProfileSums) {
	x.Share = x.MS / s.RunMS
	if !x.kernels || x.MS <= 0 {
		return
	}
	x.GFLOPS, x.GBps = x.flops/x.MS/1e6, x.bytes/x.MS/1e6
	if peak := s.Peaks[x.precision.String()]; peak > 0 {
		x.OfPeak = x.GFLOPS / peak
	}
}

// sumParts adds up the parts of the same kind in each pass, whatever their sizes.
func sumParts(entries []ProfileEntry) []PartEntry {
	type key struct {
		part string
		pass ops.Pass
	}
	sums := map[key]*PartEntry{}
	var order []*PartEntry
	for _, e := range entries {
		for _, p := range e.Parts {
			k := key{p.kind, p.Pass}
			if sums[k] == nil {
				sums[k] = &PartEntry{Part: k.part, kind: k.part, Pass: k.pass, precision: p.precision, kernels: p.kernels}
				order = append(order, sums[k])
			}
			x := sums[k]
			x.Calls += p.Calls
			x.MS += p.MS
			x.flops += p.flops
			x.bytes += p.bytes
		}
	}
	sort.SliceStable(order, func(i, j int) bool { return order[i].MS > order[j].MS })
	out := make([]PartEntry, len(order))
	for i, p := range order {
		out[i] = *p
	}
	return out
}
