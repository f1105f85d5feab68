package localmim

import (
	"slices"

	"fasternet/internal/rng"
	"fasternet/kernels"
)

// Noise returns a random batch to time programs or to try them: random images and targets. Each
// image has its own visible units, or all have the same if the configuration says so. All cells
// with a prediction count.
func (m *Model) Noise(batch int) Masked {
	r := rng.New(0, rng.Bench)
	random := func(n int) []float32 {
		x := kernels.Aligned(n)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		return x
	}
	size := m.config.Data.ImageSize
	b := Masked{Images: random(batch * size * size * m.Channels())}
	for _, s := range m.scales {
		cells := batch * s.Grid * s.Grid
		b.Targets = append(b.Targets, random(cells*s.Values))
		b.Weights = append(b.Weights, slices.Repeat([]float32{1}, cells))
	}
	lists := 1
	if m.config.MIM.MaskPer == "sample" {
		lists = batch
	}
	b.Kept = make([]int32, lists*m.visible)
	m.Draw(b.Kept, rng.New(m.config.Seed, rng.Mask))
	return b
}
