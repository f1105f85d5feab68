// Package eval measures classifiers: accuracy and loss over a data set.
package eval

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/graph"
)

// Result is the measure of a classifier.
type Result struct {
	Top1  float64 `json:"top1"` // percent
	Top5  float64 `json:"top5"` // percent; with fewer classes, of that many
	Loss  float64 `json:"loss"` // mean cross entropy without smoothing, nats
	Count int     `json:"count"`
}

// Options say how to evaluate.
type Options struct {
	Batch, Workers int
	Progress       func(done, total int) // images; may be nil
}

// Evaluate runs a model over a data set.
func Evaluate(ctx context.Context, r *graph.Runner, ds data.Dataset, t data.Transform, o Options) (Result, error) {
	loader, err := data.NewLoader(ds, data.LoaderOptions{
		Batch: o.Batch, Workers: o.Workers, Prefetch: 2, Transform: t, Classes: max(r.Model.Classes(), len(ds.Classes())),
	})
	if err != nil {
		return Result{}, err
	}
	it := loader.Epoch(ctx, 0, 0)
	defer it.Close()
	var s sums
	for {
		b, err := it.Next()
		if errors.Is(err, io.EOF) {
			return s.result(), nil
		}
		if err != nil {
			return Result{}, err
		}
		p, err := r.Program(graph.Shape{Batch: b.Size, Height: b.Height, Width: b.Width})
		if err != nil {
			return Result{}, err
		}
		logits, err := p.Forward(b.Images)
		if err != nil {
			return Result{}, err
		}
		if err := s.add(logits, b.Labels, r.Model.Classes()); err != nil {
			return Result{}, err
		}
		if o.Progress != nil {
			o.Progress(s.count, ds.Len())
		}
	}
}

// sums adds measures up, weighted by samples.
type sums struct {
	count, top1, top5 int
	loss              float64
}

func (s *sums) add(logits []float32, labels []int, classes int) error {
	for i, label := range labels {
		if label >= classes {
			return fmt.Errorf("eval: label %d, but the model has %d classes", label, classes)
		}
		row := logits[i*classes : (i+1)*classes]
		rank := rankOf(row, label)
		if rank == 0 {
			s.top1++
		}
		if rank < 5 {
			s.top5++
		}
		s.loss += crossEntropy(row, label)
		s.count++
	}
	return nil
}

func (s *sums) result() Result {
	n := float64(max(s.count, 1))
	return Result{Top1: 100 * float64(s.top1) / n, Top5: 100 * float64(s.top5) / n, Loss: s.loss / n, Count: s.count}
}

// rankOf is the number of classes with a larger logit than the label's; of
// equal ones the first counts. A NaN is never right.
func rankOf(row []float32, label int) int {
	own, rank := row[label], 0
	for c, v := range row {
		if !(v < own) && (v != own || c < label) {
			rank++
		}
	}
	return rank
}

func crossEntropy(row []float32, label int) float64 {
	top := math.Inf(-1)
	for _, v := range row {
		top = max(top, float64(v))
	}
	var sum float64
	for _, v := range row {
		sum += math.Exp(float64(v) - top)
	}
	return math.Log(sum) + top - float64(row[label])
}

// Transform is the evaluation transform of a configuration.
func Transform(d configs.Data, channels int) data.Transform {
	return &data.EvalTransform{
		Size: d.ImageSize, CropRatio: d.TestCropRatio, Interpolation: data.Interpolation(d.Interpolation),
		Mean: float32s(d.Mean), Std: float32s(d.Std), Channels: channels,
	}
}

func float32s(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

// Open opens the training or the validation part of the configured data set.
func Open(d configs.Data, train bool) (data.Dataset, error) {
	if d.Name == "fashion-mnist" {
		return data.OpenFashionMNIST(d.Dir, train)
	}
	if d.Dir == "" {
		return nil, errors.New("data.dir: want the folder of the data set: --data FOLDER, with train/<class>/ and val/<class>/")
	}
	split := data.Val
	if train {
		split = data.Train
	}
	return data.OpenImageFolder(d.Dir, split)
}
