package eval

import (
	"context"
	"errors"
	"fmt"
	"io"

	"fasternet/data"
	"fasternet/graph"
)

// Row is one sample with the model's logits. It is valid until the function that gets it
// returns.
type Row struct {
	Index   int            // in the data set
	Label   int            // the class of the sample
	Logits  []float32      // [classes]
	Program *graph.Program // the program that has just run, for its features
	At      int            // the sample's place in the batch
}

// Bad is a sample that could not be read.
type Bad struct {
	Name string `json:"name"`
	Err  error  `json:"-"`
}

// NoneRead returns an error if all images are bad.
func NoneRead(bad []Bad, images int) error {
	if len(bad) == 0 || len(bad) < images {
		return nil
	}
	if images == 1 {
		return fmt.Errorf("the only image cannot be read: %w", bad[0].Err)
	}
	return fmt.Errorf("none of the %d images can be read; the first: %w", images, bad[0].Err)
}

// NewLoader makes the loader of an evaluation, for Options.Loader.
func NewLoader(r *graph.Runner, ds data.Dataset, t data.Transform, o Options) (*data.Loader, error) {
	return data.NewLoader(ds, data.LoaderOptions{
		Batch: min(o.Batch, max(ds.Len(), 1)), Workers: o.Workers, Prefetch: 2, Transform: t,
		Classes: max(r.Model.Classes(), len(ds.Classes())), SkipBad: o.SkipBad, Seed: o.Seed,
	})
}

// Each runs a model over a data set and visits its samples in order. It returns the samples
// that were left out.
func Each(ctx context.Context, r *graph.Runner, ds data.Dataset, t data.Transform, o Options,
	visit func(Row) error) ([]Bad, error) {
	loader := o.Loader
	if loader == nil {
		var err error
		if loader, err = NewLoader(r, ds, t, o); err != nil {
			return nil, err
		}
	}
	from, to := o.part(loader.Steps())
	it := loader.Part(ctx, o.Epoch, from, to)
	defer it.Close()
	var bad []Bad
	for done := 0; ; {
		b, err := it.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(b.Bad) < b.Size {
			shape := graph.Shape{Batch: b.Size, Height: b.Height, Width: b.Width}
			p, logits, err := Forward(r, shape, b.Images, o.Features)
			if err != nil {
				return nil, err
			}
			if err := visitBatch(b, p, logits, visit); err != nil {
				return nil, err
			}
		}
		for _, s := range b.Bad {
			bad = append(bad, Bad{Name: ds.Name(s.Index), Err: s.Err})
		}
		if done += b.Size; o.Progress != nil {
			o.Progress(done, ds.Len())
		}
	}
	return bad, nil
}

func visitBatch(b *data.Batch, p *graph.Program, logits []float32, visit func(Row) error) error {
	classes, bad := len(logits)/b.Size, b.Bad
	for k := range b.Size {
		if len(bad) > 0 && bad[0].At == k {
			bad = bad[1:]
			continue
		}
		err := visit(Row{
			Index:   b.Indices[k],
			Label:   b.Labels[k],
			Logits:  logits[k*classes : (k+1)*classes],
			Program: p,
			At:      k,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Forward runs a model on images of a shape. If features is set, it keeps the intermediate
// values.
func Forward(r *graph.Runner, s graph.Shape, images []float32, features bool) (*graph.Program, []float32, error) {
	compiled := r.Program
	if features {
		compiled = r.Features
	}
	p, err := compiled(s)
	if err != nil {
		return nil, nil, err
	}
	logits, err := p.Forward(images)
	return p, logits, err
}
