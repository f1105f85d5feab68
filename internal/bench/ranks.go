package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"fasternet/collective"
	"fasternet/collective/engine"
	"fasternet/configs"
	"fasternet/kernels"
	"fasternet/train"
)

// Traffic is a group that counts its traffic.
type Traffic interface{ Stats() engine.Stats }

// RanksResult is the timing of training steps on several ranks. Times are milliseconds per
// step.
type RanksResult struct {
	Model     string `json:"model"`
	Precision string `json:"precision"`
	Kernels   string `json:"kernels"`
	Ranks     int    `json:"ranks"`
	Hosts     int    `json:"hosts"`
	Batch     int    `json:"batch_per_rank"`
	Size      int    `json:"size"`
	Threads   int    `json:"threads_per_rank"`
	Overlap   bool   `json:"overlapping"` // sums start during the backward pass
	Rounds    int    `json:"rounds"`
	Steps     int    `json:"steps"` // steps of each kind

	StepMS  float64 `json:"step_ms"`  // with sums: the median
	AloneMS float64 `json:"alone_ms"` // without sums, at the same time: the median of the slowest rank
	// part of StepMS: waiting for sums after the backward pass; mean over the ranks
	WaitMS     float64 `json:"wait_ms"`
	TransferMS float64 `json:"transfer_ms"` // while a sum was on its way, hidden or not; mean over the ranks
	SentMiB    float64 `json:"sent_mib"`    // by a rank in a step
	Gradients  int     `json:"gradients"`   // number of values

	Share      float64 `json:"communication_share"` // WaitMS/StepMS
	Hidden     float64 `json:"hidden_share"`        // the part of TransferMS that the backward pass hides
	Efficiency float64 `json:"efficiency"`          // AloneMS/StepMS
	ImgPerS    float64 `json:"img_per_s"`           // of all ranks
}

// ownTimes holds the measurements of a rank.
type ownTimes struct {
	Step, Alone, Wait, Transfer float64
	Sent                        int64
	Host                        string
}

// RunRanks times training steps whose gradients are summed over the ranks of a group, each rank
// with its own batch. In turn, it times the same steps without sums, so that sharing the processors
// and the memory of a host slows both.
func RunRanks(
	ctx context.Context, name string, c *configs.Config, o Options, g collective.Group, overlap bool,
) (RanksResult, error) {
	traffic, ok := g.(Traffic)
	if !ok {
		return RanksResult{}, errors.New("this group of ranks cannot measure its traffic")
	}
	if o.Size == 0 {
		o.Size = c.Data.ImageSize
	}
	if err := c.Model.CheckImageSize(o.Size); err != nil {
		return RanksResult{}, err
	}
	if !o.Train {
		return RanksResult{}, errors.New("inference runs on one rank: time training with --train")
	}
	if o.Profile {
		return RanksResult{}, errors.New("a profile measures one rank: leave out --profile or mpirun")
	}
	if o.Precision != "" {
		c = c.In(o.Precision)
	}
	if err := c.Check(); err != nil {
		return RanksResult{}, err
	}
	pool := kernels.NewPool(o.Threads)
	defer pool.Close()
	s, err := o.subject(c, pool)
	if err != nil {
		return RanksResult{}, err
	}
	m := &ranksTiming{
		s:       s.steps,
		g:       g,
		traffic: traffic,
		sums:    train.NewAveraging(g, s.params, s.learned),
		overlap: overlap,
	}
	rounds, each, err := m.plan(ctx, o)
	if err != nil {
		return RanksResult{}, err
	}
	for range rounds {
		if err := m.round(ctx, each); err != nil {
			return RanksResult{}, err
		}
	}
	r := RanksResult{
		Model:     name,
		Precision: s.precision.String(),
		Kernels:   string(pool.Kernels().Variant()),
		Ranks:     g.Size(),
		Batch:     o.Batch,
		Size:      o.Size,
		Threads:   pool.Workers(), Overlap: overlap, Rounds: rounds, Steps: rounds * each,
	}
	for _, p := range s.params {
		r.Gradients += p.Size()
	}
	return r, m.result(&r)
}

// ranksTiming runs the steps to time.
type ranksTiming struct {
	s       steps
	g       collective.Group
	traffic Traffic
	sums    *train.Averaging
	overlap bool

	together, alone, waits []float64
	carried                engine.Stats // traffic of the steps with sums
}

// plan warms up, and returns how many steps to time: the same number on all ranks, and together at
// most the requested time.
func (m *ranksTiming) plan(ctx context.Context, o Options) (rounds, each int, err error) {
	const most = 3 // the most rounds
	for range max(1, o.Warmup) {
		if _, _, err := m.step(ctx, true); err != nil {
			return 0, 0, err
		}
	}
	begin := time.Now()
	if _, _, err := m.step(ctx, true); err != nil {
		return 0, 0, err
	}
	slowest := []float64{time.Since(begin).Seconds() / float64(m.g.Size())}
	if err := m.g.Sum64(slowest); err != nil { // the mean, so that all ranks have the same number
		return 0, 0, err
	}
	n := o.Iterations
	if n == 0 {
		n = max(least, int(o.Seconds/2/slowest[0]))
	}
	rounds = min(most, n)
	return rounds, (n + rounds - 1) / rounds, nil
}

// step runs one step, with or without sums.
func (m *ranksTiming) step(ctx context.Context, sum bool) (total, wait time.Duration, err error) {
	if err := ctx.Err(); err != nil {
		return 0, 0, err
	}
	m.s.parallel.Final = nil
	if sum && m.overlap {
		m.s.parallel.Final = m.sums.Final
	}
	begin := time.Now()
	if sum {
		m.sums.Begin()
	}
	if err := m.s.gradients(); err != nil {
		return 0, 0, err
	}
	waiting := time.Now()
	if sum {
		if err := m.sums.Wait(); err != nil {
			return 0, 0, err
		}
	}
	wait = time.Since(waiting)
	m.s.update()
	return time.Since(begin), wait, nil
}

// round times steps of both kinds. A faster rank waits before them.
func (m *ranksTiming) round(ctx context.Context, n int) error {
	for _, sum := range []bool{true, false} {
		m.g.Progress(fmt.Sprintf("bench, sums %v", sum))
		if err := m.g.Barrier(); err != nil {
			return err
		}
		before := m.traffic.Stats()
		for range n {
			total, wait, err := m.step(ctx, sum)
			if err != nil {
				return err
			}
			if !sum {
				m.alone = append(m.alone, milliseconds(total))
				continue
			}
			m.together, m.waits = append(m.together, milliseconds(total)), append(m.waits, milliseconds(wait))
		}
		if sum {
			after := m.traffic.Stats()
			m.carried.Bytes += after.Bytes - before.Bytes
			m.carried.Transfer += after.Transfer - before.Transfer
		}
	}
	return nil
}

// result combines the measurements of the ranks.
func (m *ranksTiming) result(r *RanksResult) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	slices.Sort(m.together)
	slices.Sort(m.alone)
	n := float64(len(m.together))
	own, err := json.Marshal(ownTimes{
		quantile(m.together, 0.5), quantile(m.alone, 0.5), mean(m.waits),
		milliseconds(m.carried.Transfer) / n, m.carried.Bytes / int64(len(m.together)), host,
	})
	if err != nil {
		return err
	}
	all, err := m.g.Gather(own)
	if err != nil {
		return err
	}
	hosts := map[string]bool{}
	ranks := float64(len(all))
	for _, b := range all {
		var t ownTimes
		if err := json.Unmarshal(b, &t); err != nil {
			return err
		}
		hosts[t.Host] = true
		r.StepMS, r.AloneMS = max(r.StepMS, t.Step), max(r.AloneMS, t.Alone)
		r.WaitMS += t.Wait / ranks
		r.TransferMS += t.Transfer / ranks
		r.SentMiB += float64(t.Sent) / (1 << 20) / ranks
	}
	r.Hosts = len(hosts)
	r.Share = r.WaitMS / r.StepMS
	if r.TransferMS > 0 {
		r.Hidden = max(0, 1-r.WaitMS/r.TransferMS)
	}
	r.Efficiency = r.AloneMS / r.StepMS
	r.ImgPerS = 1000 * float64(r.Batch*r.Ranks) / r.StepMS
	return nil
}

// SumTime is the time of sums of a length.
type SumTime struct {
	Bytes  int     `json:"bytes"`
	Rounds int     `json:"rounds"`
	MS     float64 `json:"ms"`         // median
	Best   float64 `json:"best_ms"`    //
	GbpsUp float64 `json:"gbit_per_s"` // rate at which a rank sends, at the median
}

// RunSums times sums of several lengths, one after the other, on all ranks. It returns the times
// of rank 0.
func RunSums(ctx context.Context, g collective.Group, seconds float64) ([]SumTime, error) {
	var out []SumTime
	for bytes := 256; bytes <= 64<<20; bytes *= 4 {
		x := make([]float32, bytes/4)
		once := func() (float64, error) {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			begin := time.Now()
			err := g.Sum(x)
			return time.Since(begin).Seconds(), err
		}
		for range 2 {
			if _, err := once(); err != nil {
				return nil, err
			}
		}
		took, err := once()
		if err != nil {
			return nil, err
		}
		mean := []float64{took / float64(g.Size())}
		if err := g.Sum64(mean); err != nil {
			return nil, err
		}
		n := min(1000, max(least, int(seconds/10/mean[0])))
		var times []float64
		for range n {
			took, err := once()
			if err != nil {
				return nil, err
			}
			times = append(times, 1000*took)
		}
		slices.Sort(times)
		median := quantile(times, 0.5)
		sent := 2 * float64(g.Size()-1) / float64(g.Size()) * float64(bytes)
		out = append(out, SumTime{bytes, n, median, times[0], sent * 8 / median / 1e6})
	}
	return out, nil
}
