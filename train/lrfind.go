package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"fasternet/collective"
	"fasternet/configs"
	"fasternet/kernels"

	"gonum.org/v1/plot/plotter"
)

// FindOptions say how FindLR searches for a learning rate.
type FindOptions struct {
	Min, Max float64 // learning rates of the first and the last step
	Steps    int     // of the optimizer
	Log      io.Writer
}

// DefaultFind is a search that suits most models.
func DefaultFind() FindOptions { return FindOptions{Min: 1e-7, Max: 1, Steps: 100} }

// Validate returns an error that names an impossible option.
func (o FindOptions) Validate() error {
	switch {
	case !(o.Min > 0) || !(o.Max > o.Min) || math.IsInf(o.Max, 1):
		return fmt.Errorf("learning rates from %v to %v: want two numbers above 0, the smaller first", o.Min, o.Max)
	case o.Steps < 2*findSkip:
		return fmt.Errorf("%d steps: want %d or more", o.Steps, 2*findSkip)
	}
	return nil
}

// LRPoint is a step of the search.
type LRPoint struct {
	LR     float64
	Loss   float64 // loss of the step
	Smooth float64 // the smoothed curve there
}

// LRFinding is the result of a search.
type LRFinding struct {
	Suggestion float64 `json:"suggestion"` // where the smoothed loss falls most steeply, before its minimum
	// where the smoothed loss is lowest; a tenth of it is another common choice
	Lowest float64   `json:"lowest"`
	Steps  int       `json:"steps"` // steps before the loss exploded
	Fall   float64   `json:"fall"`  // from the first steps to the lowest smoothed loss
	Noise  float64   `json:"noise"` // standard deviation of a step's loss around the curve
	AtEnd  bool      `json:"-"`     // the loss is lowest at the last step: a larger rate may be better
	Points []LRPoint `json:"-"`

	top float64 // losses above belong to the explosion
}

const (
	findSkip   = 10  // first steps, which give the initial loss
	findSmooth = 0.9 // decay of the average that tells an explosion from one bad batch
	findStop   = 4   // the loss explodes when it reaches this multiple of the lowest average
)

// FindLR trains the model of a configuration for some steps with an exponentially rising learning rate (Smith, 2017),
// and suggests one, as fastai and Lightning do. It writes nothing, and throws the weights away.
func FindLR(ctx context.Context, c *configs.Config, o FindOptions) (LRFinding, error) {
	if err := o.Validate(); err != nil {
		return LRFinding{}, err
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	t := &trainer{
		config:   c,
		ranks:    ranks{collective.Single{}},
		show:     NewDisplay(o.Log),
		began:    clock(),
		preset:   c.Base,
		pool:     kernels.NewPool(c.Threads),
		patience: ctx,
	}
	defer t.pool.Close()
	if err := t.lookFor(ctx); err != nil {
		return LRFinding{}, err
	}
	t.show.Line("%s", t.task.describe())
	t.showNotes()
	defer t.show.End()
	points, err := t.sweep(ctx, o)
	if err != nil {
		return LRFinding{}, err
	}
	f, err := suggestLR(points)
	if err == nil && f.AtEnd {
		t.show.Line("note: the loss is lowest at the largest learning rate: try a larger one (--max)")
	}
	return f, err
}

// lookFor makes what a training step needs.
func (t *trainer) lookFor(ctx context.Context) (err error) {
	if err := t.config.Check(); err != nil {
		return err
	}
	if err := t.openData(ctx); err != nil {
		return err
	}
	if err := t.makeTask(); err != nil {
		return err
	}
	if err := t.prepare(); err != nil {
		return err
	}
	t.loader = nil // the loader may use the weights
	return t.startFrom()
}

// sweep makes the steps until the loss explodes.
func (t *trainer) sweep(ctx context.Context, o FindOptions) (points []LRPoint, err error) {
	p, accum := &t.progress, t.config.Train.AccumSteps
	average, least := 0.0, math.Inf(1)
	m := newMeter(t, o.Steps)
	for len(points) < o.Steps {
		loader, err := t.loaderFor(p.Epoch)
		if err != nil {
			return nil, err
		}
		it := loader.Epoch(ctx, p.Epoch, 0)
		for p.Step = 0; p.Step < loader.Steps() && len(points) < o.Steps; {
			i := len(points)
			lr := o.Min * math.Pow(o.Max/o.Min, float64(i)/float64(o.Steps-1))
			p.LossSum, p.LossCount = 0, 0
			_, err := t.update(ctx, it, min(accum, loader.Steps()-p.Step), lr, m)
			var diverged *DivergedError
			if errors.As(err, &diverged) && i > 0 {
				it.Close()
				return points, nil
			}
			if err != nil {
				it.Close()
				return nil, err
			}
			loss := p.LossSum / float64(p.LossCount)
			points = append(points, LRPoint{LR: lr, Loss: loss})
			t.show.Step(i+1, fmt.Sprintf("lr %.2e loss %.4f", lr, loss))
			average = findSmooth*average + (1-findSmooth)*loss
			now := average / (1 - math.Pow(findSmooth, float64(i+1)))
			least = min(least, now)
			if i > 0 && now > findStop*least {
				it.Close()
				return points, nil
			}
		}
		it.Close()
		p.Epoch++
	}
	return points, nil
}

// Draw draws the losses and their curve over the learning rates to an SVG file, with the suggestion if there is one.
// The axis fits the curve before the loss explodes: the line leaves the picture there.
func (f LRFinding) Draw(path string) error {
	c := chart{title: "No learning rate found", x: "learning rate", y: "training loss", logX: true}
	if f.Suggestion > 0 {
		c.title = fmt.Sprintf("Suggested learning rate: %.3g", f.Suggestion)
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range f.Points {
		c.faint = append(c.faint, plotter.XY{X: p.LR, Y: p.Loss})
		c.points = append(c.points, plotter.XY{X: p.LR, Y: p.Smooth})
		low, high = min(low, p.Loss), max(high, p.Loss)
		if f.Suggestion > 0 && p.LR == f.Suggestion {
			c.mark = &plotter.XY{X: p.LR, Y: p.Smooth}
		}
	}
	if high > f.top {
		c.span = &[2]float64{low, f.top}
	}
	return c.write(path)
}
