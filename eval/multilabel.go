package eval

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"fasternet/collective"
	"fasternet/data"
	"fasternet/eval/metrics"
	"fasternet/graph"
)

// LabelReport holds the figures of a model for images with any number of labels.
type LabelReport struct {
	Result     `json:"-"`
	Thresholds []float64             `json:"thresholds"` // a label is given from this probability on
	Figures    *metrics.LabelFigures `json:"metrics"`
	Count      int                   `json:"count"`             // images
	Skipped    []Bad                 `json:"skipped,omitempty"` // images that could not be read

	collected *metrics.LabelCollector
}

// ExamineLabels runs a model over a data set whose images have any number of labels, and measures
// it with a threshold for each label. With nil, it takes the thresholds with the best F1 on these images.
func ExamineLabels(ctx context.Context, r *graph.Runner, ds data.Dataset, t data.Transform, o Options,
	thresholds []float64) (*LabelReport, error) {
	m, err := ExamineLabelsPart(ctx, r, ds, t, o)
	if err != nil {
		return nil, err
	}
	return m, m.Merge(collective.Single{}, ds, thresholds)
}

// ExamineLabelsPart is ExamineLabels for one rank of several: call Merge before you use the report.
func ExamineLabelsPart(ctx context.Context, r *graph.Runner, ds data.Dataset, t data.Transform,
	o Options) (*LabelReport, error) {
	m := &LabelReport{collected: metrics.NewLabelCollector(r.Model.Classes())}
	skipped, err := Each(ctx, r, ds, t, o, func(row Row) error {
		if err := m.collected.Add(data.LabelSet(ds, row.Index), row.Logits); err != nil {
			return fmt.Errorf("eval: %s: %w", ds.Name(row.Index), err)
		}
		return nil
	})
	m.Skipped = skipped
	return m, err
}

// ofRank is what a rank sends to the others.
type ofRank struct {
	Images  []byte
	Skipped []struct{ Name, Text string }
}

// Merge combines the parts of all ranks of a group into one report, the same on each rank. ds is the
// whole data set.
func (m *LabelReport) Merge(g collective.Group, ds data.Dataset, thresholds []float64) error {
	if g.Size() > 1 {
		if err := m.gather(g); err != nil {
			return err
		}
	}
	if err := NoneRead(m.Skipped, ds.Len()); err != nil {
		return err
	}
	if thresholds == nil {
		thresholds = m.collected.BestThresholds()
	}
	f, err := m.collected.Figures(ds.Classes(), thresholds)
	if err != nil {
		return err
	}
	m.Thresholds, m.Figures, m.Count = thresholds, f, m.collected.Len()
	m.Result = Result{Loss: f.Loss, Count: m.collected.Len(), F1: 100 * f.F1.Macro}
	if f.MAP == nil {
		return fmt.Errorf("none of the %d images that were evaluated has a label: "+
			"mean average precision is not defined", m.Count)
	}
	m.MAP = 100 * *f.MAP
	if f.MicroAP != nil {
		m.MicroMAP = 100 * *f.MicroAP
	}
	return nil
}

func (m *LabelReport) gather(g collective.Group) error {
	images, err := m.collected.MarshalBinary()
	if err != nil {
		return err
	}
	own := ofRank{Images: images}
	for _, b := range m.Skipped {
		own.Skipped = append(own.Skipped, struct{ Name, Text string }{b.Name, b.Err.Error()})
	}
	text, err := json.Marshal(own)
	if err != nil {
		return err
	}
	texts, err := g.Gather(text)
	if err != nil {
		return err
	}
	all := &LabelReport{collected: metrics.NewLabelCollector(m.collected.Labels())}
	for _, text := range texts {
		var c ofRank
		if err := json.Unmarshal(text, &c); err != nil {
			return err
		}
		if err := all.collected.Append(c.Images); err != nil {
			return err
		}
		for _, b := range c.Skipped {
			all.Skipped = append(all.Skipped, Bad{Name: b.Name, Err: errors.New(b.Text)})
		}
	}
	*m = *all
	return nil
}
