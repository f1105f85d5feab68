package localmim

import (
	"testing"

	"fasternet/configs"
	"fasternet/kernels"
	"fasternet/ops"
)

// A step of pre-training. Use -benchtime 5x or more, and look at images/s.
func BenchmarkMIMStep(b *testing.B) {
	for _, test := range []struct {
		name  string
		batch int
	}{{"mim_quickstart", 256}, {"mim_vit_base", 8}, {"mim_swin_base", 8}} {
		b.Run(test.name, func(b *testing.B) {
			c, err := configs.Load(test.name)
			if err != nil {
				b.Fatal(err)
			}
			m, err := New(c, 1)
			if err != nil {
				b.Fatal(err)
			}
			pool := kernels.NewPool(2)
			defer pool.Close()
			p, err := NewRunner(m, pool).Program(test.batch, true)
			if err != nil {
				b.Fatal(err)
			}
			in := m.Noise(test.batch)
			prof := ops.NewProfile(pool)
			p.Profile(prof)
			for b.Loop() {
				for _, q := range m.Store().Params() {
					q.Changed()
				}
				if _, err := p.Run(in); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(test.batch*b.N)/b.Elapsed().Seconds(), "images/s")
			b.ReportMetric(float64(p.ArenaBytes())/(1<<20), "arena-MiB")
			for _, t := range prof.Times()[:24] {
				b.Logf("%-20s %-18s %8.2f ms", t.Kind, t.Name, t.Total.Seconds()*1000/float64(t.Calls))
			}
		})
	}
}
