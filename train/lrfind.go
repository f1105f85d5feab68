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

// FindOptions say how FindLR looks for a learning rate.
type FindOptions struct {
	Min, Max float64 // learning rates of the first and the last step
	Steps    int     // of the optimizer
	Log      io.Writer
}

// DefaultFind is a search that suits most models.
func DefaultFind() FindOptions { return FindOptions{Min: 1e-7, Max: 1, Steps: 100} }

// Validate returns an error that names an option which cannot work.
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
	LR, Loss float64 // the loss is an average over the steps up to this one
}

// LRFinding is what a search has found.
type LRFinding struct {
	Suggestion float64   `json:"suggestion"` // where the loss falls most steeply
	Lowest     float64   `json:"lowest"`     // where it is least; a tenth of it is another common choice
	Steps      int       `json:"steps"`      // that were made before the loss exploded
	Points     []LRPoint `json:"-"`
}

const (
	findSkip   = 10   // steps at the beginning whose average says little
	findSmooth = 0.98 // of the average
	findStop   = 4    // times the least loss: that is where it explodes
)

// FindLR trains the model of a configuration for some steps with a learning rate
// that rises exponentially (Smith, 2017), and suggests one, as fastai and Lightning
// do. Nothing is written, and the weights are thrown away.
func FindLR(ctx context.Context, c *configs.Config, o FindOptions) (LRFinding, error) {
	if err := o.Validate(); err != nil {
		return LRFinding{}, err
	}
	t := &trainer{config: c, ranks: ranks{collective.Single{}}, show: NewDisplay(o.Log), began: clock(), pool: kernels.NewPool(c.Threads)}
	defer t.pool.Close()
	if err := t.lookFor(); err != nil {
		return LRFinding{}, err
	}
	t.show.Line("%s", t.task.describe())
	t.showNotes()
	defer t.show.End()
	points, err := t.sweep(ctx, o)
	if err != nil {
		return LRFinding{}, err
	}
	return suggestLR(points)
}

// lookFor makes what a step of training needs.
func (t *trainer) lookFor() (err error) {
	c := t.config
	if err := t.openData(); err != nil {
		return err
	}
	if t.task, err = t.newTask(t.pool); err != nil {
		return err
	}
	if err := freeze(c, t.task.store().Params(), t.task.layers()); err != nil {
		return err
	}
	if t.optimizer, err = optimizerOf(c, t.task, t.pool); err != nil {
		return err
	}
	if err := t.prepare(); err != nil {
		return err
	}
	t.loader = nil // the weights may be part of what it makes
	return t.startFrom()
}

// sweep makes the steps, up to where the loss explodes.
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
			_, err := t.update(it, min(accum, loader.Steps()-p.Step), lr, m)
			var diverged *DivergedError
			if errors.As(err, &diverged) && i > 0 {
				it.Close()
				return points, nil
			}
			if err != nil {
				it.Close()
				return nil, err
			}
			average = findSmooth*average + (1-findSmooth)*p.LossSum/float64(p.LossCount)
			loss := average / (1 - math.Pow(findSmooth, float64(i+1)))
			points = append(points, LRPoint{lr, loss})
			t.show.Step(i+1, fmt.Sprintf("lr %.2e loss %.4f", lr, loss))
			least = min(least, loss)
			if i > 0 && loss > findStop*least {
				it.Close()
				return points, nil
			}
		}
		it.Close()
		p.Epoch++
	}
	return points, nil
}

// suggestLR finds where a loss falls most steeply, by the number of steps.
func suggestLR(points []LRPoint) (LRFinding, error) {
	f := LRFinding{Steps: len(points), Points: points}
	if len(points) < findSkip+4 {
		return f, fmt.Errorf("the loss explodes after %d steps, at a learning rate of %.3g: look from a smaller one on (--min)", len(points), points[len(points)-1].LR)
	}
	steepest, lowest := 0.0, math.Inf(1)
	for i := findSkip; i+1 < len(points); i++ {
		if slope := points[i+1].Loss - points[i-1].Loss; slope < steepest {
			steepest, f.Suggestion = slope, points[i].LR
		}
		if points[i].Loss < lowest {
			lowest, f.Lowest = points[i].Loss, points[i].LR
		}
	}
	if f.Suggestion == 0 {
		return f, fmt.Errorf("the loss falls at no learning rate from %.3g to %.3g: take other bounds (--min, --max), or more steps (--steps)", points[0].LR, points[len(points)-1].LR)
	}
	return f, nil
}

// Draw draws the loss over the learning rates, with the suggestion, to an SVG file.
func (f LRFinding) Draw(path string) error {
	c := chart{title: fmt.Sprintf("Suggested learning rate: %.3g", f.Suggestion), x: "learning rate", y: "training loss (average)", logX: true}
	for _, p := range f.Points {
		c.points = append(c.points, plotter.XY{X: p.LR, Y: p.Loss})
		if p.LR == f.Suggestion {
			c.mark = &plotter.XY{X: p.LR, Y: p.Loss}
		}
	}
	return c.write(path)
}
