package export

import (
	"fmt"
	"math"
	"slices"

	"fasternet/graph"
	"fasternet/internal/rng"
	"fasternet/kernels"
	"fasternet/model"
)

// Tolerance is the largest difference of the logits that folding may make, relative to the
// largest logit. Rounding gives 1e-6 to 1e-5; a norm that is left out, or folded into the
// wrong convolution, gives more than 1e-2.
const Tolerance = 1e-4

// checkBatch is the number of images to compare models on.
const checkBatch = 4

// Difference says how much the logits of two models differ.
type Difference struct {
	MaxAbs float64 `json:"max_abs_diff"`
	MaxRel float64 `json:"max_rel_diff"` // relative to the largest logit
}

// outputs runs a model on random images, always the same, of the size that its configuration
// evaluates at. It returns the logits, or the features of an encoder.
func outputs(l *model.Loaded, pool *kernels.Pool) ([]float32, error) {
	runner, err := model.NewRunner(l.Config.In("fp32"), l.Model, pool)
	if err != nil {
		return nil, err
	}
	images, shape := checkImages(l)
	compiled := runner.Program
	if l.Headless {
		compiled = runner.Features
	}
	p, err := compiled(shape)
	if err != nil {
		return nil, err
	}
	out, err := p.Forward(images)
	if err == nil && l.Headless {
		out, err = p.FeatureValues(l.Features())
	}
	return slices.Clone(out), err
}

// what names the outputs of a model in messages.
func what(l *model.Loaded) string {
	if l.Headless {
		return "features"
	}
	return "logits"
}

// checkImages returns the images for outputs.
func checkImages(l *model.Loaded) ([]float32, graph.Shape) {
	size := l.Config.Data.ImageSize
	images := kernels.Aligned(checkBatch * size * size * l.Model.Channels())
	r := rng.New(0, rng.Bench)
	for i := range images {
		images[i] = float32(r.NormFloat64())
	}
	return images, graph.Shape{Batch: checkBatch, Height: size, Width: size}
}

// compare measures how far outputs are from the original's.
func compare(got, want []float32) (Difference, error) {
	if len(got) != len(want) {
		return Difference{}, fmt.Errorf("export: the model has %d outputs, but the original %d", len(got), len(want))
	}
	var d Difference
	var scale float64
	for i, w := range want {
		a, b := float64(got[i]), float64(w)
		if math.IsNaN(a) || math.IsNaN(b) || math.IsInf(a, 0) || math.IsInf(b, 0) {
			return Difference{}, fmt.Errorf("export: output %d is %v in the original and %v in the export: "+
				"the weights are broken", i, w, got[i])
		}
		d.MaxAbs = max(d.MaxAbs, math.Abs(a-b))
		scale = max(scale, math.Abs(b))
	}
	if d.MaxAbs > 0 {
		d.MaxRel = d.MaxAbs / scale // +Inf if all outputs of the original are 0
	}
	return d, nil
}

// HalfTolerance is Tolerance for weights of float16, which are rounded to 11 bits.
const HalfTolerance = 2e-2

// tolerance returns the tolerance of a precision.
func tolerance(precision string) float64 {
	if precision == Float16 {
		return HalfTolerance
	}
	return Tolerance
}

func (d Difference) check(allowed float64, what string) error {
	if d.MaxRel > allowed {
		return fmt.Errorf("export: the %[3]s of the export differ by %.2[1]g of the largest, more than %.2[2]g: "+
			"nothing was written",
			d.MaxRel, allowed, what)
	}
	return nil
}

// readBack runs the model of a file. Its outputs must equal the outputs of the model that was
// written, to the bit.
func readBack(path string, want []float32, pool *kernels.Pool) error {
	l, err := model.Open(path, model.LoadOptions{Encoder: true, Headless: true, Remedies: &model.Remedies{}})
	if err != nil {
		return fmt.Errorf("export: reading back: %w", err)
	}
	got, err := outputs(l, pool)
	if err != nil {
		return fmt.Errorf("export: reading back: %w", err)
	}
	for i := range want {
		if len(got) != len(want) || got[i] != want[i] {
			return fmt.Errorf("export: read back, the file gives different %s from the model: nothing was written",
				what(l))
		}
	}
	return nil
}
