package bench

import (
	"cmp"
	"slices"
	"time"

	"fasternet/ops"

	"github.com/klauspost/cpuid/v2"
)

// outside returns the time of an operation outside of its regions.
func outside(o ops.TracedOp) time.Duration {
	d := o.Wall
	for _, r := range o.Regions {
		d -= r.Wall
	}
	return max(d, 0)
}

// threadModel predicts the time of a run on more threads than the machine has.
type threadModel struct {
	table     *ThreadTable
	bandwidth float64 // given by the user
}

// barrier returns the cost of a region in milliseconds. It assumes that each thread beyond the number
// of processors adds as much as the others: worker 0 gives each its range and its signal, and each
// counts its tasks as done.
func (m *threadModel) barrier(threads int) float64 {
	us := m.table.BarrierUS
	most := len(us)
	if threads <= most {
		return us[threads-1] / 1000
	}
	if most < 2 {
		return 0
	}
	return (us[most-1] + float64(threads-most)*max(us[most-1]-us[0], 0)/float64(most-1)) / 1000
}

// bytesPerMS returns the bandwidth for a number of threads. It is 0 if it is unknown, or for one
// thread, whose tasks were measured with that thread's bandwidth.
func (m *threadModel) bytesPerMS(threads int) float64 {
	switch {
	case threads == 1 || len(m.table.MemoryGBps) == 0 && m.bandwidth == 0:
		return 0
	case threads > m.table.Processors:
		return m.bandwidth * 1e6
	case len(m.table.MemoryGBps) == 0:
		return 0
	}
	return min(m.table.MemoryGBps[0]*float64(threads), max(m.table.MemoryGBps[1], m.table.MemoryGBps[0])) * 1e6
}

// row predicts the time on a number of threads, and the loss of each part of a run.
func (m *threadModel) row(r *rehearsal, threads int, one float64) (ThreadRow, []ThreadLoss) {
	var lost []ThreadLoss
	n := float64(threads)
	row := ThreadRow{Threads: threads, SmallMS: (r.busy() - one) / n}
	barrier, rate, bytes := m.barrier(threads), m.bytesPerMS(threads), 0
	serial := func(op, name string, pass ops.Pass, of int, ms float64) float64 {
		row.SerialMS += ms * (1 - 1/n)
		lost = append(lost, ThreadLoss{
			Op:      op,
			Name:    name,
			Pass:    pass,
			Ops:     1,
			Of:      of,
			WorkMS:  ms,
			TakesMS: ms,
			LostMS:  ms * (1 - 1/n),
		})
		return ms
	}
	row.PredictedMS = serial(betweenOps.Kind, betweenOps.Name, betweenOps.Pass, 0, r.between)
	for _, o := range r.ops {
		takes := serial(o.kind, o.name, o.pass, len(o.regions), o.serial)
		for i, tasks := range o.regions {
			busy := sumOf(tasks)
			if len(tasks) == 0 {
				continue
			}
			took := schedule(tasks, threads)
			row.Tasks += len(tasks)
			fair := busy / float64(min(threads, len(tasks)))
			row.FewMS += fair - busy/n
			row.UnevenMS += took - fair
			if len(tasks) > 1 && threads > 1 {
				row.Regions++
				row.BarrierMS += barrier
				took += barrier
			}
			takes += took
			lost = append(lost, ThreadLoss{
				Op: o.kind, Name: o.name, Pass: o.pass, Ops: 1, Region: i + 1, Of: len(o.regions), Tasks: len(tasks),
				WorkMS: busy, LongestMS: slices.Max(tasks), TakesMS: took, LostMS: took - busy/n,
			})
		}
		bytes += o.bytes
		if rate > 0 && float64(o.bytes)/rate > takes {
			row.MemoryMS += float64(o.bytes)/rate - takes
			takes = float64(o.bytes) / rate
		}
		row.PredictedMS += takes
	}
	row.MemoryMiB = float64(bytes) / (1 << 20)
	row.NeedsGBps = float64(bytes) / row.PredictedMS / 1e6
	row.Limit = row.limit()
	return row, lost
}

// limit names the largest loss.
func (r *ThreadRow) limit() string {
	limit, most := "", 1e-9*r.PredictedMS
	for _, l := range []struct {
		name string
		ms   float64
	}{
		{"too few tasks", r.FewMS},
		{"uneven tasks", r.UnevenMS},
		{"serial code", r.SerialMS},
		{"barriers", r.BarrierMS},
		{"memory", r.MemoryMS},
		{"small pieces", r.SmallMS},
	} {
		if l.ms > most {
			limit, most = l.name, l.ms
		}
	}
	return limit
}

// predict fills in the rows of the table, and the losses of the largest number of threads.
func (rs *rehearsals) predict(t *ThreadTable, m *threadModel, threads []int, measured map[int]float64) {
	t.CacheMiB = float64(max(cpuid.CPU.Cache.L3, 0)) / (1 << 20)
	one := rs.byThreads[1]
	t.Runs = one.runs
	for _, n := range threads {
		r := rs.byThreads[n]
		t.Runs = min(t.Runs, r.runs)
		row, lost := m.row(r, n, one.busy())
		row.MeasuredMS = measured[n]
		row.SpeedUp = one.busy() / row.PredictedMS
		row.Efficiency = row.SpeedUp / float64(n)
		row.ImgPerS = 1000 * float64(t.Batch) / row.PredictedMS
		t.Rows, t.Lost = append(t.Rows, row), joined(lost) // at the end, the losses of the last number
	}
}

// joined adds up the losses of operations of the same kind with the same cuts.
func joined(all []ThreadLoss) []ThreadLoss {
	type key struct {
		op                string
		pass              ops.Pass
		region, of, tasks int
	}
	at := map[key]int{}
	var out []ThreadLoss
	for _, l := range all {
		k := key{l.Op, l.Pass, l.Region, l.Of, l.Tasks}
		i, ok := at[k]
		if !ok {
			at[k] = len(out)
			out = append(out, l)
			continue
		}
		x := &out[i]
		x.Ops++
		x.WorkMS += l.WorkMS
		x.TakesMS += l.TakesMS
		x.LostMS += l.LostMS
		x.LongestMS = max(x.LongestMS, l.LongestMS)
	}
	slices.SortStableFunc(out, func(a, b ThreadLoss) int { return cmp.Compare(b.LostMS, a.LostMS) })
	return out
}
