package graph_test

import (
	"slices"
	"testing"

	"fasternet/configs"
	"fasternet/graph/localmim"
	"fasternet/kernels"
	"fasternet/ops"
)

// A step of pre-training. -benchtime 5x and more; images/s is the number to
// look at.
func BenchmarkMIMStep(b *testing.B) {
	for name, batch := range map[string]int{"mim_quickstart": 256, "mim_vit_base": 8, "mim_swin_base": 8} {
		b.Run(name, func(b *testing.B) {
			c, err := configs.Load(name)
			if err != nil {
				b.Fatal(err)
			}
			m, err := localmim.New(c, 1)
			if err != nil {
				b.Fatal(err)
			}
			pool := kernels.NewPool(2)
			defer pool.Close()
			p, err := localmim.NewRunner(m, pool).Program(batch, true)
			if err != nil {
				b.Fatal(err)
			}
			in := maskedNoise(m, batch)
			var prof ops.Profile
			p.Profile(&prof)
			for b.Loop() {
				for _, q := range m.Store().Params() {
					q.Changed()
				}
				if _, err := p.Run(in); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(batch*b.N)/b.Elapsed().Seconds(), "images/s")
			b.ReportMetric(float64(p.ArenaBytes())/(1<<20), "arena-MiB")
			for _, t := range prof.Times()[:24] {
				b.Logf("%-20s %-18s %8.2f ms", t.Kind, t.Name, t.Total.Seconds()*1000/float64(t.Calls))
			}
		})
	}
}

// maskedNoise is a batch of images without meaning, the first units visible.
func maskedNoise(m *localmim.Model, batch int) localmim.Masked {
	size := m.Config().Data.ImageSize
	in := localmim.Masked{Images: make([]float32, batch*size*size*m.Channels())}
	for i := range in.Images {
		in.Images[i] = float32(i%97)/48 - 1
	}
	_, visible := m.Config().MIMUnits()
	for u := range visible {
		in.Kept = append(in.Kept, int32(u*2))
	}
	for _, s := range m.Scales() {
		in.Targets = append(in.Targets, make([]float32, batch*s.Grid*s.Grid*s.Values))
		in.Weights = append(in.Weights, slices.Repeat([]float32{1}, batch*s.Grid*s.Grid))
	}
	return in
}
