package report

import (
	"context"

	"fasternet/data/preprocess"
	"fasternet/data/sets"
	"fasternet/eval"
	"fasternet/eval/metrics"
	"fasternet/eval/viz"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/train"
)

// mostReconstructed is how many images the report of a pre-training reconstructs.
const mostReconstructed = 3

// Examine runs the best checkpoint for what the folder does not have: where the model looks in some
// images, the classes and mistakes of a run without an evaluation of its best epoch, and the
// reconstructions of a pre-training. progress may be nil.
func (r *Run) Examine(ctx context.Context, progress func(done, total int)) error {
	// an image with several labels is not a mistake of one class for another
	if r.Best() == nil || r.MultiLabel() {
		return nil
	}
	known := r.Evaluation != nil
	err := r.examine(ctx, progress)
	if err != nil && known && ctx.Err() == nil { // the page still has everything else
		r.looks, err = &looks{Missing: err.Error()}, nil
	}
	return err
}

func (r *Run) examine(ctx context.Context, progress func(done, total int)) error {
	pool := kernels.NewPool(0) // the run may be from another machine
	defer pool.Close()
	ds, err := sets.Open(ctx, r.Config.Data, false)
	if err != nil {
		return err
	}
	transform := preprocess.Evaluation(r.Config.Data, r.Config.Model.InChans)
	if r.Pretraining() {
		net, err := model.OpenLocalMIM(r.Dir, model.LoadOptions{Remedies: &model.Remedies{}})
		if err != nil {
			return err
		}
		runner, err := model.NewMIMRunner(r.Config.In("fp32"), net, pool)
		if err != nil {
			return err
		}
		r.sheet, err = viz.Reconstructions(ctx, runner, ds, viz.Options{
			Transform: transform, Most: mostReconstructed, Seed: r.Config.Seed,
		})
		return err
	}
	m, err := model.Load(r.Dir)
	if err != nil {
		return err
	}
	if ds, _, err = eval.ForModel(ds, m.Classes, m.Model.Classes()); err != nil {
		return err
	}
	net, err := graph.ForInference(m.Model)
	if err != nil {
		return err
	}
	runner, err := model.NewRunner(r.Config.In("fp32"), net, pool) // the run evaluates in fp32, too
	if err != nil {
		return err
	}
	if r.Evaluation == nil || r.Evaluation.Examples == nil { // there is none, or it comes from an older version
		found, err := eval.Examine(ctx, runner, ds, transform, eval.Options{
			Batch:      r.Config.Train.ValBatchSize,
			Progress:   progress,
			Mistakes:   train.Mistakes,
			SkipBad:    true,
			KeepLogits: eval.EvalLogits,
		})
		if err != nil {
			return err
		}
		names := m.Classes
		if len(names) == 0 {
			names = ds.Classes()
		}
		if err := found.Measure(metrics.Options{Names: names, Resamples: eval.Resamples}); err != nil {
			return err
		}
		found.Inspect(ds)
		r.Evaluation = &train.Evaluation{Epoch: r.Best().Epoch, Classes: names, Report: *found}
	}
	return r.explain(ctx, runner, ds, transform)
}

// reconstructions holds the panels of a sheet, as pictures.
type reconstructions struct {
	Notes   []string
	Entries []reconstructed
}

type reconstructed struct {
	Name   string
	Groups []panels
}

type panels struct {
	Title  string
	Panels []Picture
}

func (r *Run) reconstructions() (*reconstructions, error) {
	if r.sheet == nil {
		return nil, nil
	}
	out := &reconstructions{Notes: r.sheet.Notes}
	for _, e := range r.sheet.Entries {
		entry := reconstructed{Name: e.Name}
		for _, g := range e.Groups {
			row := panels{Title: g.Title}
			for _, p := range g.Panels {
				source, err := inline(p.Image, false)
				if err != nil {
					return nil, err
				}
				size := p.Image.Bounds().Size()
				row.Panels = append(row.Panels, Picture{
					Source: source,
					Width:  size.X,
					Height: size.Y,
					Alt:    p.Title + ", " + g.Title + ": " + e.Name,
					Title:  p.Title,
					Note:   p.Caption,
				})
			}
			entry.Groups = append(entry.Groups, row)
		}
		out.Entries = append(out.Entries, entry)
	}
	return out, nil
}
