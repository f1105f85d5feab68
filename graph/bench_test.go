package graph_test

import (
	"testing"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/graph/fasternet"
	"fasternet/kernels"
	"fasternet/ops"
)

// BenchmarkT0 runs FasterNet-T0 at 224² with a batch of 32 on all processors.
func BenchmarkT0(b *testing.B) {
	for _, train := range []bool{true, false} {
		name := "infer"
		if train {
			name = "train"
		}
		b.Run(name, func(b *testing.B) {
			c, err := configs.Load("fasternet_t0")
			if err != nil {
				b.Fatal(err)
			}
			m, err := fasternet.New(c.Model, 0)
			if err != nil {
				b.Fatal(err)
			}
			pool := kernels.NewPool(0)
			defer pool.Close()
			const batch = 32
			p, err := graph.NewRunner(m, pool).Program(graph.Shape{batch, 224, 224, train})
			if err != nil {
				b.Fatal(err)
			}
			images, targets := make([]float32, batch*3*224*224), make([]float32, batch*1000)
			for i := range images {
				images[i] = float32(i%255)/128 - 1
			}
			for i := range batch {
				targets[i*1000+i] = 1
			}
			prof := ops.NewProfile(pool)
			p.Profile(prof)
			for b.Loop() {
				if train {
					for _, q := range m.Store().Params() {
						clear(q.GradData())
						q.Changed()
					}
					_, err = p.Gradients(images, targets, graph.Position{})
				} else {
					_, err = p.Forward(images)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(batch*float64(b.N)/b.Elapsed().Seconds(), "img/s")
			b.ReportMetric(float64(p.ArenaBytes())/(1<<20), "arena-MiB")
			for _, t := range prof.Times()[:12] {
				b.Logf("%-20s %-18s %8.2f ms", t.Kind, t.Name, t.Total.Seconds()*1000/float64(t.Calls))
			}
		})
	}
}

// BenchmarkTransformers runs a training step of ViT-B and Swin-B at 224² on all processors.
func BenchmarkTransformers(b *testing.B) {
	for _, test := range []struct {
		preset string
		batch  int
	}{{"vit_base", 8}, {"swin_base", 4}} {
		b.Run(test.preset, func(b *testing.B) {
			c, err := configs.Load(test.preset, "model.drop_path_rate=0")
			if err != nil {
				b.Fatal(err)
			}
			m, err := newTransformer(c.Model, 224)
			if err != nil {
				b.Fatal(err)
			}
			pool := kernels.NewPool(0)
			defer pool.Close()
			p, err := graph.NewRunner(m, pool).Program(graph.Shape{test.batch, 224, 224, true})
			if err != nil {
				b.Fatal(err)
			}
			images, targets := make([]float32, test.batch*3*224*224), make([]float32, test.batch*1000)
			for i := range images {
				images[i] = float32(i%255)/128 - 1
			}
			for i := range test.batch {
				targets[i*1000+i] = 1
			}
			for b.Loop() {
				if _, err = p.Gradients(images, targets, graph.Position{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(test.batch*b.N)/b.Elapsed().Seconds(), "img/s")
			b.ReportMetric(float64(p.ArenaBytes())/(1<<20), "arena-MiB")
		})
	}
}
