package bench

import (
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fasternet/configs"
	"fasternet/kernels"
	"fasternet/ops"
)

// countedRegion is a parallel region whose work is counted, not timed.
type countedRegion struct {
	op, name string
	number   int // within the operation, from 1
	tasks    int
	work     float64 // estimated microseconds on one thread, from the FLOPs and bytes of its kernels
}

// regionsOf returns the regions of a run whose work is cut for some threads.
func regionsOf(t *testing.T, preset string, settings []string, train bool, batch, threads int) (out []countedRegion) {
	t.Helper()
	config, err := configs.Load(preset, settings...)
	if err != nil {
		t.Fatal(err)
	}
	var now atomic.Int64
	set := kernels.Default().Metered(func() time.Duration { return time.Duration(now.Add(1)) })
	pool := set.NewRehearsal(threads)
	defer pool.Close()
	o := Options{
		Train:   train,
		Batch:   batch,
		Size:    config.Data.ImageSize,
		profile: &profiled{Profile: ops.NewProfile(pool)},
	}
	s, err := o.subject(config, pool)
	if err != nil {
		t.Fatal(err)
	}
	s.program.Profile(o.profile.Profile)
	trace := o.profile.Record()
	var works []float64
	before := map[*kernels.Ledger]float64{}
	pool.Trace(func(r kernels.TracedRegion) {
		trace.Region(r)
		l := set.Meter().Enter(nil)
		set.Meter().Enter(l)
		work := 0.0
		if l != nil {
			for _, p := range l.Parts() {
				const flops, bytes = 200e3, 20e3 // per microsecond
				work += p.FLOPs/flops + p.Bytes/bytes
			}
		}
		works = append(works, work-before[l])
		before[l] = work
	})
	if err := s.step(); err != nil {
		t.Fatal(err)
	}
	for _, o := range trace.Take() {
		for i, r := range o.Regions {
			out = append(out, countedRegion{
				op:     o.Kind,
				name:   o.Name,
				number: i + 1,
				tasks:  len(r.Tasks),
				work:   works[0],
			})
			works = works[1:]
		}
	}
	trace.Stop()
	return out
}

// Every region with much work has a task for at least 14 of 16 threads: a map of 196 rows has 14 tiles.
// The number of regions has a limit. Tried for a step of each family at batch 32, and for inference of
// one image.
func TestRegions(t *testing.T) {
	const threads, enough, much = 16, 14, 200 // microseconds: more than 12 for each thread
	// Regions that may have fewer tasks, and how few. A FasterNet with small weights has sums of the
	// size of a weight, and so a limited number of tasks.
	sums := map[string]int{
		"FasterNetBlockGrad 1": 8, "FasterNetBlockGrad 3": 8, "FasterNetBlockGrad 4": 8,
		"PatchConvNormGrad 1": 8, "PatchConvNormGrad 2": 8, "PatchConvNormGrad 3": 8,
	}
	// The gradient of a narrow layer is one sum over all rows: the last layer of a decoder has 2 tiles of
	// outputs and 2 panels of inputs.
	narrow := map[string]int{"ProjectGrad 3": 2, "ProjectGrad 4": 2}
	both := maps.Clone(sums)
	maps.Copy(both, narrow)
	for _, c := range []struct {
		preset   string
		settings []string
		train    bool
		batch    int
		regions  int            // the most regions
		fewer    map[string]int // regions that may have fewer tasks
	}{
		{
			preset:   "fasternet_t0",
			settings: []string{"model.depths=[1,1,1,1]"},
			train:    true,
			batch:    32,
			regions:  70,
			fewer:    sums,
		},
		// The large weights of the last merging layers and stages are cut by outputs.
		{
			preset:   "fasternet_s",
			settings: []string{"model.depths=[1,1,1,1]"},
			train:    true,
			batch:    8,
			regions:  70,
			fewer:    sums,
		},
		// A map of 7 or 14 lines is convolved line by line.
		{
			preset:   "fasternet_s",
			settings: []string{"model.depths=[1,1,1,1]"},
			batch:    1,
			regions:  20,
			fewer:    map[string]int{"FasterNetBlock 1": 7, "PatchConvNorm 1": 7},
		},
		{preset: "vit_base", settings: []string{"model.depth=1"}, train: true, batch: 32, regions: 32},
		// There are 12 heads; more tasks would pack keys and values several times.
		{
			preset:   "vit_base",
			settings: []string{"model.depth=1"},
			batch:    1,
			regions:  14,
			fewer:    map[string]int{"AttentionBlock 2": 12},
		},
		{preset: "swin_tiny", settings: []string{"model.depths=[1,1,1,1]"}, train: true, batch: 32, regions: 90},
		{preset: "swin_tiny", settings: []string{"model.depths=[1,1,1,1]"}, batch: 1, regions: 28},
		{
			preset:   "mim_vit_base",
			settings: []string{"model.embed_dim=384", "model.num_heads=6"},
			train:    true,
			batch:    32,
			regions:  345,
			fewer:    narrow,
		},
		{
			preset:   "mim_swin_base",
			settings: []string{"model.embed_dim=64", "model.num_heads=[2,4,8,16]"},
			train:    true,
			batch:    32,
			regions:  510,
			fewer:    narrow,
		},
		{preset: "mim_fasternet_t0", train: true, batch: 32, regions: 310, fewer: both},
	} {
		name := fmt.Sprintf("%s, train %v, batch %d", c.preset, c.train, c.batch)
		t.Run(name, func(t *testing.T) {
			if testing.Short() && c.train && !strings.HasPrefix(c.preset, "mim_fasternet") {
				t.Skip("takes a second or two")
			}
			parallel, total := 0, 0.0
			for _, r := range regionsOf(t, c.preset, c.settings, c.train, c.batch, threads) {
				total += r.work
				if r.tasks > 1 {
					parallel++
				}
				least := enough
				if few, ok := c.fewer[fmt.Sprint(r.op, " ", r.number)]; ok {
					least = few
				}
				if r.tasks < least && r.work > much {
					t.Errorf("%s %s, region %d: %.0f µs of work in %d tasks, want %d or more",
						r.op, r.name, r.number, r.work, r.tasks, least)
				}
			}
			if parallel > c.regions || total < 1000 {
				t.Errorf("%d parallel regions with %.0f µs of work, want at most %d", parallel, total, c.regions)
			}
		})
	}
}
