package quantise

import (
	"math"
	"slices"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/ops"
)

// Row is the error of a layer, as a ratio of signal to noise in decibels: 20 dB is an error of a tenth,
// 40 dB of a hundredth. It is at most 200.
type Row struct {
	Name   string   `json:"name"`
	Format string   `json:"format"`        // int8 or float32
	Values *float64 `json:"sqnr_db"`       // of its results, with all layers before it in 8 bits; nil if not measured
	Alone  float64  `json:"sqnr_alone_db"` // of the logits if only this layer is in 8 bits; 0 for float32
}

// reportImages is how many images are used to measure errors.
const reportImages = 16

// Report measures the errors of the layers of a model in 8 bits against the float32 model that it was
// made from.
func Report(c *configs.Config, exact graph.Model, m graph.Int8Model, images Images, pool *kernels.Pool) ([]Row, error) {
	n := min(images.Count, reportImages)
	wants, wantLogits, err := maps(c, exact, images, n, pool)
	if err != nil {
		return nil, err
	}
	gots, _, err := maps(c, m, images, n, pool)
	if err != nil {
		return nil, err
	}
	state := m.Int8()
	defer func() { _ = m.SetInt8(state) }() // restore the state
	var rows []Row
	for _, u := range m.Int8Units() {
		r := Row{Name: u.Name, Format: "float32"}
		if want, ok := wants[u.Op]; ok && len(gots[u.Op]) == len(want) {
			v := decibels(gots[u.Op], want)
			r.Values = &v
		}
		if state.Has(u) {
			r.Format = "int8"
			if err := m.SetInt8(state.Only([]graph.Int8Unit{u})); err != nil {
				return nil, err
			}
			_, logits, err := maps(c, m, images, n, pool)
			if err != nil {
				return nil, err
			}
			r.Alone = decibels(logits, wantLogits)
			if err := m.SetInt8(state); err != nil {
				return nil, err
			}
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// maps returns the results of the ops of a model in float32, by name, and its logits.
func maps(
	c *configs.Config,
	m graph.Model,
	images Images,
	n int,
	pool *kernels.Pool,
) (all map[string][]float32, logits []float32, err error) {
	runner, err := model.NewRunner(c.In("fp32"), m, pool)
	if err != nil {
		return nil, nil, err
	}
	p, err := runner.Program(graph.Shape{Batch: n, Height: images.Height, Width: images.Width})
	if err != nil {
		return nil, nil, err
	}
	all = map[string][]float32{}
	p.Observe(func(o ops.Observed) error {
		all[o.Name] = slices.Clone(o.Floats())
		return nil
	})
	out, err := p.Forward(images.batch(0, n))
	return all, slices.Clone(out), err
}

func decibels(got, want []float32) float64 {
	const most = 200
	var signal, noise float64
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		signal += float64(w) * float64(w)
		noise += d * d
	}
	if noise == 0 {
		return most
	}
	return min(max(10*math.Log10(signal/noise), -most), most)
}
