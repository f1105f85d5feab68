package report

import (
	"context"
	"fmt"
	"html/template"

	"fasternet/data"
	"fasternet/eval"
	"fasternet/eval/viz"
	"fasternet/graph"
)

// looks shows where a classifier looks in examples of its classes.
type looks struct {
	Notes   []string
	Missing string // why there are none
	Entries []look
}

// Double reports whether the images have two maps each.
func (l *looks) Double() bool { return len(l.Entries) > 0 && len(l.Entries[0].Layers) > 1 }

// look is an image with maps of where the model looks.
type look struct {
	Picture
	Right  bool
	Label  string
	Answer string // with its probability
	File   string
	Layers []layer
}

// layer is a map to lay over an image.
type layer struct {
	Title  string
	Source template.URL
}

// heatSide is the largest side of the picture of a map, in pixels: a browser enlarges it to the image.
const heatSide = 48

// explain runs Grad-CAM on the examples of the evaluation. If a family has no map for it, the page
// says so.
func (r *Run) explain(ctx context.Context, runner *graph.Runner, ds data.Dataset, t *data.EvalTransform) error {
	e := r.Evaluation
	within := &album{dataset: ds, shown: map[int]Picture{}}
	var rows []int
	var of []eval.Example
	for _, x := range e.Examples {
		i, err := within.find(r.Config, x.Index, x.Name)
		if err != nil {
			return err
		}
		if i >= 0 {
			rows, of = append(rows, i), append(of, x)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	size := t.Size
	if _, none := graph.MapName(runner.Model, size, size); none != nil {
		r.looks = &looks{Missing: none.Error()}
		return nil //nolint:nilerr // the page gives the reason in place of pictures
	}
	found, err := viz.Explain(ctx, runner, data.Subset(ds, rows), viz.Options{Transform: t, SkipBad: true})
	if err != nil {
		return err
	}
	l := &looks{Notes: []string{viz.CAMNote}}
	if note := viz.AttentionOf(runner.Model); note != "" {
		l.Notes = append(l.Notes, note)
	}
	colours := viz.Colours{Mean: t.Mean, Std: t.Std}
	for _, x := range found {
		example := of[x.Index]
		p := Picture{Width: size, Height: size}
		if p.Source, err = inline(colours.Picture(x.Pixels, size, size, 1), true); err != nil {
			return err
		}
		entry := look{
			Picture: p,
			Right:   x.Answer == example.Label,
			Label:   eval.ClassName(e.Classes, example.Label),
			File:    r.file(example.Name),
			Answer:  "no answer",
		}
		if x.Answer >= 0 {
			entry.Answer = fmt.Sprintf("%s, %.1f %%", eval.ClassName(e.Classes, x.Answer), 100*x.Confidence)
		}
		entry.Alt = fmt.Sprintf("%s: %s, answer %s", entry.File, entry.Label, entry.Answer)
		heats := []struct {
			title string
			heat  *viz.Heat
		}{{"Grad-CAM", &x.CAM}, {"attention", x.Attention}}
		for _, h := range heats {
			if h.heat == nil {
				continue
			}
			source, err := inline(h.heat.Overlay(min(size, heatSide), min(size, heatSide)), false)
			if err != nil {
				return err
			}
			entry.Layers = append(entry.Layers, layer{h.title, source})
		}
		l.Entries = append(l.Entries, entry)
	}
	r.looks = l
	return nil
}
