package eval

import (
	"encoding/json"
	"errors"
	"math"

	"fasternet/collective"
	"fasternet/data"
	"fasternet/eval/metrics"
)

// counted is what a rank sends to the others.
type counted struct {
	Top1, Top5, Count int
	Loss              uint64 // the bits of the float, as JSON has no NaN
	Confusion         *Confusion
	Mistakes          []Mistake
	Skipped           []struct{ Name, Text string }
	Indices           []int32

	collected []byte // the bytes of a metrics.Collector, sent next to the JSON
}

// Merge combines the parts of all ranks of a group into one report, the same on each rank.
// ds is the whole data set.
func (m *Report) Merge(g collective.Group, ds data.Dataset) error {
	if m.collected == nil { // this rank has seen nothing
		m.collected = metrics.New(m.Confusion.Classes, 0, 0)
	}
	if g.Size() > 1 {
		all, err := m.gather(g)
		if err != nil {
			return err
		}
		classes := m.Confusion.Classes
		*m = Report{
			Confusion: NewConfusion(classes),
			most:      m.most,
			collected: metrics.New(classes, ds.Len(), m.collected.Limit()),
		}
		for _, c := range all {
			if err := m.add(c); err != nil {
				return err
			}
		}
	}
	if err := NoneRead(m.Skipped, ds.Len()); err != nil {
		return err
	}
	for i := range m.Mistakes {
		m.Mistakes[i].Name = ds.Name(m.Mistakes[i].Index)
	}
	n := float64(m.Count)
	m.Top1, m.Top5, m.Loss = 100*float64(m.top1)/n, 100*float64(m.top5)/n, m.Loss/n
	return nil
}

func (m *Report) gather(g collective.Group) ([]counted, error) {
	own := counted{
		Top1:      m.top1,
		Top5:      m.top5,
		Count:     m.Count,
		Loss:      math.Float64bits(m.Loss),
		Confusion: m.Confusion,
		Mistakes:  m.Mistakes,
		Indices:   m.indices,
	}
	for _, b := range m.Skipped {
		own.Skipped = append(own.Skipped, struct{ Name, Text string }{b.Name, b.Err.Error()})
	}
	text, err := json.Marshal(own)
	if err != nil {
		return nil, err
	}
	texts, err := g.Gather(text)
	if err != nil {
		return nil, err
	}
	part, err := m.collected.MarshalBinary()
	if err != nil {
		return nil, err
	}
	parts, err := g.Gather(part)
	if err != nil {
		return nil, err
	}
	all := make([]counted, len(texts))
	for i, text := range texts {
		err = errors.Join(err, json.Unmarshal(text, &all[i]))
		all[i].collected = parts[i]
	}
	return all, err
}

func (m *Report) add(c counted) error {
	m.top1, m.top5, m.Count, m.Loss = m.top1+c.Top1, m.top5+c.Top5, m.Count+c.Count, m.Loss+math.Float64frombits(c.Loss)
	for k, n := range c.Confusion.counts {
		m.Confusion.counts[k] += n
	}
	m.indices = append(m.indices, c.Indices...)
	for _, x := range c.Mistakes {
		m.mistake(x, m.most)
	}
	for _, b := range c.Skipped {
		m.Skipped = append(m.Skipped, Bad{Name: b.Name, Err: errors.New(b.Text)})
	}
	return m.collected.Merge(c.collected)
}
