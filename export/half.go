package export

import (
	"fmt"
	"math"
	"sync"

	"fasternet/formats"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/ops"
)

// halved copies a model and rounds its parameters and buffers to float16, like the values in the
// file.
func halved(m graph.Model, size int) (graph.Model, error) {
	if graph.IsInt8(m) {
		return nil, fmt.Errorf("export: the model is in 8 bits and cannot be written in float16")
	}
	out, err := graph.Copy(m, size)
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	for _, e := range out.Store().Entries {
		values := e.Buffer
		if e.Param != nil {
			values = e.Param.Data()
		}
		for i, v := range values {
			h, err := formats.ToHalf(v)
			if err != nil {
				return nil, fmt.Errorf("export: %s[%d]: %w", e.Name, i, err)
			}
			values[i] = formats.Half(h)
		}
		if e.Param != nil {
			e.Param.Changed()
		}
	}
	return out, nil
}

// fitsHalf returns an error if a value that the model computes of random images is too large for float16.
// Runtimes keep values between layers in float16, and would go on with infinity.
func fitsHalf(l *model.Loaded, pool *kernels.Pool) error {
	runner, err := model.NewRunner(l.Config.In("fp32"), l.Model, pool)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	var mutex sync.Mutex // of bad
	var bad error
	check := func(name string, values []float32) {
		const most = 65504 // the largest float16
		for _, v := range values {
			if !(math.Abs(float64(v)) <= most) {
				mutex.Lock()
				defer mutex.Unlock()
				if bad == nil {
					bad = fmt.Errorf("export: a value of %s is %g for a random image, "+
						"which does not fit into float16: nothing was written", name, v)
				}
				return
			}
		}
	}
	images, shape := checkImages(l)
	p, err := runner.Watched(shape, func(block string, part ops.BlockPart, rows kernels.Matrix) {
		for r := range rows.Rows {
			check(block+" ("+string(part)+")", rows.Row(r))
		}
	})
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	p.Observe(func(o ops.Observed) error {
		check(o.Name, o.Floats())
		return nil
	})
	if _, err := p.Forward(images); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return bad
}
