package bench

import (
	"context"
	"fmt"
	"slices"

	"fasternet/configs"
	"fasternet/kernels"
	"fasternet/ops"

	"github.com/klauspost/cpuid/v2"
)

// rehearsal is a run on one thread whose work is cut for a number of threads. It has medians over
// some runs, in milliseconds.
type rehearsal struct {
	ops     []rehearsedOp
	between float64 // time outside of the operations
	runs    int
}

type rehearsedOp struct {
	kind, name string
	pass       ops.Pass
	serial     float64     // time outside of its regions
	regions    [][]float64 // times of the tasks of each region
	bytes      int         // moved between memory and the last cache
}

// busy returns the time of all tasks and of everything outside of them.
func (r *rehearsal) busy() float64 {
	sum := r.between
	for _, o := range r.ops {
		sum += o.serial
		for _, tasks := range o.regions {
			sum += sumOf(tasks)
		}
	}
	return sum
}

// rehearsals holds a rehearsal for several numbers of threads. Numbers with the same cuts share
// one.
type rehearsals struct {
	byThreads map[int]*rehearsal
	shapes    []rehearsedShape
}

type rehearsedShape struct {
	cut []opCut
	of  *rehearsal
}

// opCut says how the work of an operation is cut.
type opCut struct {
	key   opKey
	tasks string // the tasks of its regions
}

func cutOf(run []ops.TracedOp) []opCut {
	out := make([]opCut, len(run))
	for i, o := range run {
		var tasks []int
		for _, r := range o.Regions {
			tasks = append(tasks, len(r.Tasks))
		}
		out[i] = opCut{opKey{o.Kind, o.Name, o.Pass}, fmt.Sprint(tasks)}
	}
	return out
}

// add rehearses the run for n threads.
func (rs *rehearsals) add(ctx context.Context, o Options, c *configs.Config, n int) error {
	pool := kernels.Default().NewRehearsal(n)
	defer pool.Close()
	o.profile = &profiled{Profile: ops.NewProfile(pool)}
	s, err := o.subject(c, pool)
	if err != nil {
		return err
	}
	s.program.Profile(o.profile.Profile)
	trace := o.profile.Record()
	defer trace.Stop()
	if err := s.step(); err != nil {
		return err
	}
	cut := cutOf(trace.Take())
	if rs.byThreads == nil {
		rs.byThreads = map[int]*rehearsal{}
	}
	for _, shape := range rs.shapes {
		if slices.Equal(shape.cut, cut) {
			rs.byThreads[n] = shape.of
			return nil
		}
	}
	var runs []tracedRun
	t := timing{
		step: s.step, warmup: o.Warmup, seconds: o.Seconds / 4, least: 3,
		after: func(ms float64) { runs = append(runs, tracedRun{ms, trace.Take()}) },
	}
	if _, err := measure(ctx, t); err != nil {
		return err
	}
	s.sectionMemory(runs[o.Warmup].ops)
	r, err := medianRun(runs[o.Warmup:])
	if err != nil {
		return err
	}
	rs.shapes = append(rs.shapes, rehearsedShape{cut, r})
	rs.byThreads[n] = r
	return nil
}

// sectionMemory adds to the sections of a step the memory that they read and write: the parameters
// and the optimizer's state.
func (s steps) sectionMemory(run []ops.TracedOp) {
	for i, o := range run {
		if o.Kind != optimizerSection {
			continue
		}
		for _, p := range s.params {
			if o.Name == updateSection {
				run[i].Memory = append(run[i].Memory, ops.ExtentOf(p.Data()))
			}
			if p.Grad != nil {
				run[i].Memory = append(run[i].Memory, ops.ExtentOf(p.GradData()))
			}
		}
		if o.Name == updateSection {
			for _, t := range s.optimizer.Tensors() {
				run[i].Memory = append(run[i].Memory, ops.ExtentOf(t.F32))
			}
		}
	}
}

// tracedRun is a run and its time in milliseconds.
type tracedRun struct {
	ms  float64
	ops []ops.TracedOp
}

// medianRun makes a run whose tasks take the median of some runs.
func medianRun(runs []tracedRun) (*rehearsal, error) {
	first := runs[0].ops
	cut := cutOf(first)
	for _, r := range runs[1:] {
		if !slices.Equal(cut, cutOf(r.ops)) {
			return nil, fmt.Errorf("the runs of the model differ in their operations, so there are no medians")
		}
	}
	over := func(of func(r tracedRun) float64) float64 {
		values := make([]float64, len(runs))
		for i, r := range runs {
			values[i] = of(r)
		}
		slices.Sort(values)
		return quantile(values, 0.5)
	}
	bytes := traffic(first, max(cpuid.CPU.Cache.L3, 0))
	out := &rehearsal{runs: len(runs)}
	for i, o := range first {
		x := rehearsedOp{kind: o.Kind, name: o.Name, pass: o.Pass, bytes: bytes[i]}
		if x.kind == "" {
			x.kind, x.name, x.pass = betweenOps.Kind, betweenOps.Name, betweenOps.Pass
		}
		x.serial = over(func(r tracedRun) float64 { return milliseconds(outside(r.ops[i])) })
		for k, region := range o.Regions {
			tasks := make([]float64, len(region.Tasks))
			for task := range tasks {
				tasks[task] = over(func(r tracedRun) float64 { return milliseconds(r.ops[i].Regions[k].Tasks[task]) })
			}
			x.regions = append(x.regions, tasks)
		}
		out.ops = append(out.ops, x)
	}
	out.between = over(func(r tracedRun) float64 {
		ms := r.ms
		for _, o := range r.ops {
			ms -= milliseconds(o.Wall)
		}
		return max(ms, 0)
	})
	return out, nil
}
