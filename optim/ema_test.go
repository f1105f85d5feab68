package optim

import (
	"math"
	"slices"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/kernels"
	"fasternet/layers"
)

// The average of a parameter and of a statistic follows timm's rule; a counter has none.
func TestEMA(t *testing.T) {
	pool := kernels.NewPool(2)
	defer pool.Close()
	for name, want := range readRecipe(t).EMA {
		s := layers.NewStore(1, 0)
		p, buffer, counter := s.Param("p", layers.Constant(9), 3), s.Buffer("b", 9, 70000), s.Counter("n")
		e := NewEMA(configs.EMA{Decay: 0.6, Warmup: name == "warmup", Gamma: 1, Power: 2.0 / 3}, s, pool)
		for step, w := range want {
			for _, data := range [][]float32{p.Data(), buffer} {
				for i := range data {
					data[i] = float32(step)
				}
			}
			*counter = int64(step)
			e.Update(step + 1)
			for _, got := range []float32{e.shadow[0][2], e.shadow[1][69999]} {
				if math.Abs(float64(got)-w) > 1e-6*w {
					t.Errorf("%s: after step %d the average is %v, want %v", name, step+1, got, w)
				}
			}
		}
		live := slices.Clone(p.Data())
		e.Exchange()
		if p.Data()[0] != e.shadow[0][0] && e.shadow[0][0] != live[0] || p.Data()[0] == live[0] {
			t.Errorf("%s: exchanged: the model has %v, the average %v", name, p.Data(), e.shadow[0])
		}
		e.Exchange()
		if !slices.Equal(live, p.Data()) {
			t.Errorf("%s: exchanged twice: %v, want %v", name, p.Data(), live)
		}
		f := &checkpoints.File{Tensors: e.Tensors()}
		if len(f.Tensors) != 2 || f.Tensors[1].Name != checkpoints.EMAPrefix+"b" {
			t.Errorf("%d tensors, of them %s", len(f.Tensors), f.Tensors[1].Name)
		}
		if err := NewEMA(e.config, s, pool).Restore(f); err != nil {
			t.Error(err)
		}
		if err := e.Restore(&checkpoints.File{}); err == nil || !strings.Contains(err.Error(), "ema.decay") {
			t.Errorf("a checkpoint without an average: %v", err)
		}
	}
	if NewEMA(configs.EMA{}, layers.NewStore(1, 0), pool) != nil {
		t.Error("an average without decay")
	}
}
