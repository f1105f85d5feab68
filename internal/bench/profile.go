package bench

import (
	"context"
	"slices"
	"sort"
	"time"

	"fasternet/kernels"
	"fasternet/ops"
)

// ProfileEntry is the time of an operation in one run: the sum of the medians of its parts.
type ProfileEntry struct {
	Op    string      `json:"op"`
	Name  string      `json:"name"`
	Pass  ops.Pass    `json:"pass"` // forward, backward, around
	MS    float64     `json:"ms"`
	Share float64     `json:"share"` // share of the run
	Parts []PartEntry `json:"parts"` // the longest first; their times add up to MS
	// Regions is the number of parallel regions in a run, Tasks of their tasks; LongestMS sums up the
	// longest task of each region: more threads cannot make the operation shorter than that.
	Regions   float64 `json:"regions"`
	Tasks     float64 `json:"tasks"`
	LongestMS float64 `json:"longest_ms"`
}

// PartEntry is the time of a part in one run: the median over the runs, summed over all threads and
// divided by their number.
type PartEntry struct {
	Part   string   `json:"part"` // a product has its inner index and columns, or the rows and columns of Aᵀ·B
	Pass   ops.Pass `json:"pass"`
	Calls  float64  `json:"calls"` // calls of kernels
	MS     float64  `json:"ms"`
	Share  float64  `json:"share"`             // share of the run
	GFLOPS float64  `json:"gflops,omitempty"`  // of all threads together, during this part
	OfPeak float64  `json:"of_peak,omitempty"` // share of the peak of its precision
	GBps   float64  `json:"gb_per_s,omitempty"`

	// sums over the run, for the rates
	flops, bytes float64
	precision    kernels.Precision
	kernels      bool
	kind         string // the name of the part without sizes
}

// ProfileSums adds up the parts of the whole run.
type ProfileSums struct {
	RunMS float64 `json:"run_ms"` // the sum of the medians of all parts; shares refer to it
	// Parts has each kind in each pass, the longest first; their times add up to RunMS.
	Parts []PartEntry `json:"parts"`
	// Peaks holds GFLOPS of all threads, by precision: the best of some rounds before and after the runs.
	Peaks     map[string]float64 `json:"peaks"`
	Regions   float64            `json:"regions"`
	LongestMS float64            `json:"longest_ms"`
}

// profiled is a profile that begins after the warm-up.
type profiled struct {
	*ops.Profile
	runs  []profiledRun
	last  time.Duration // time of the run that was not taken yet
	peaks peakMeasure
	rates map[kernels.Precision]*peakItem
}

// profiledRun is the measurement of one run.
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

// take stores the last run. Call it between runs.
func (p *profiled) take() {
	if p.Profile != nil && p.last > 0 {
		p.runs = append(p.runs, profiledRun{p.last, p.Take()})
	}
	p.last = 0
}

// The sections of a step that are not operations belong to the optimizer.
const (
	optimizerSection = "optimizer"
	updateSection    = "update"
)

// section measures a part of a step that is not an operation. It may be called on nil.
func (p *profiled) section(name string, run func()) {
	if p == nil {
		run()
		return
	}
	p.Section(optimizerSection, name, run)
}

// begin measures the peaks a first time, and returns the profile of the following runs.
func (p *profiled) begin(ctx context.Context, pool *kernels.Pool, precision kernels.Precision) (*ops.Profile, error) {
	p.rates = map[kernels.Precision]*peakItem{}
	for _, in := range slices.Compact([]kernels.Precision{kernels.FP32, precision}) {
		loop, err := pool.Kernels().Peak(in)
		if err != nil {
			continue // an emulation has no peak to compare with
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
	s := &ProfileSums{Peaks: map[string]float64{}}
	for in, m := range p.rates {
		s.Peaks[in.String()] = m.result.Best
		if slices.Min(m.best) == 0 { // on a busy machine, they never ran at the same time
			s.Peaks[in.String()] = sumOf(m.alone)
		}
	}
	entries := medians(p.runs, workers)
	for _, e := range entries {
		s.RunMS += e.MS
		s.Regions += e.Regions
		s.LongestMS += e.LongestMS
	}
	for i := range entries {
		e := &entries[i]
		e.Share = e.MS / s.RunMS
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

// medians returns the medians of several runs, part by part, because other work of the machine
// disturbs different parts in different runs.
func medians(runs []profiledRun, workers int) []ProfileEntry {
	type partKey struct {
		op   opKey
		work kernels.Work
		rest string
	}
	var order []opKey
	entries, parts := map[opKey]*ProfileEntry{}, map[opKey][]*PartEntry{}
	times, longest := map[partKey][]float64{}, map[opKey][]float64{}
	byKey := map[partKey]*PartEntry{}
	n := float64(len(runs))
	for _, r := range runs {
		for _, t := range append(r.ops, between(r, workers)) {
			k := opKey{t.Kind, t.Name, t.Pass}
			e := entries[k]
			if e == nil {
				e = &ProfileEntry{Op: t.Kind, Name: t.Name, Pass: t.Pass}
				entries[k] = e
				order = append(order, k)
			}
			e.Regions += float64(t.Regions.Count) / n
			e.Tasks += float64(t.Regions.Tasks) / n
			longest[k] = append(longest[k], milliseconds(t.Regions.Longest))
			for _, p := range t.Parts {
				pk := partKey{k, p.Work, p.Rest}
				x := byKey[pk]
				if x == nil {
					x = newPart(p, t.Pass)
					byKey[pk], parts[k] = x, append(parts[k], x)
				}
				x.Calls += float64(p.Calls) / n
				x.flops += p.FLOPs / n
				x.bytes += p.Bytes / n
				times[pk] = append(times[pk], milliseconds(p.Time)/float64(workers))
			}
		}
	}
	for k, x := range byKey {
		x.MS = median(times[k], len(runs))
	}
	out := make([]ProfileEntry, 0, len(order))
	for _, k := range order {
		e := entries[k]
		e.LongestMS = median(longest[k], len(runs))
		for _, x := range parts[k] {
			e.Parts = append(e.Parts, *x)
			e.MS += x.MS
		}
		sort.SliceStable(e.Parts, func(i, j int) bool { return e.Parts[i].MS > e.Parts[j].MS })
		out = append(out, *e)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].MS > out[j].MS })
	return out
}

// opKey identifies an operation.
type opKey struct {
	kind, name string
	pass       ops.Pass
}

// median returns the median of the values of some runs, with zeros for the other runs.
func median(values []float64, runs int) float64 {
	for len(values) < runs {
		values = append(values, 0)
	}
	slices.Sort(values)
	return quantile(values, 0.5)
}

// betweenOps is the name of the time outside of operations.
var betweenOps = ops.OpTime{Kind: "graph", Name: "between the operations", Pass: ops.Around}

// between returns the time of a run outside of its operations, on one thread: it binds the inputs of
// the graph and goes from op to op.
func between(r profiledRun, workers int) ops.OpTime {
	t := betweenOps
	t.Calls, t.Total = 1, r.time
	for _, o := range r.ops {
		t.Total -= o.Total
	}
	t.Parts = []ops.OpPart{{Part: kernels.Part{Time: t.Total}, Rest: ops.RestOther}}
	if workers > 1 {
		rest := kernels.Part{Time: time.Duration(workers-1) * t.Total}
		t.Parts = append(t.Parts, ops.OpPart{Part: rest, Rest: ops.RestAlone})
	}
	return t
}

func newPart(p ops.OpPart, pass ops.Pass) *PartEntry {
	if p.Rest != "" {
		return &PartEntry{Part: p.Rest, kind: p.Rest, Pass: pass}
	}
	return &PartEntry{
		Part:      p.String(),
		kind:      p.WithoutSizes().String(),
		Pass:      pass,
		kernels:   true,
		precision: p.Precision,
	}
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

// sumParts adds up the parts of the same kind in each pass, over all sizes.
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
				sums[k] = &PartEntry{
					Part:      k.part,
					kind:      k.part,
					Pass:      k.pass,
					precision: p.precision,
					kernels:   p.kernels,
				}
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
