package eval

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"fasternet/collective"
	"fasternet/data"
	"fasternet/data/classes"
	"fasternet/eval/metrics"
	"fasternet/graph"
)

// Report holds everything that is measured about a classifier on a data set.
type Report struct {
	Result
	Confusion *Confusion `json:"confusion"`
	Mistakes  []Mistake  `json:"mistakes,omitempty"` // the most confident ones; the options say how many
	Skipped   []Bad      `json:"skipped,omitempty"`  // images that could not be read
	// Figures is nil before [Report.Measure], and in reports of older versions.
	Figures *metrics.Figures `json:"metrics,omitempty"`
	// Examples and LabelIssues are nil before [Report.Inspect], and in reports of older versions.
	Examples    []Example    `json:"examples,omitempty"`
	LabelIssues *LabelIssues `json:"label_issues,omitempty"`

	top1, top5  int
	most        int     // mistakes to keep
	temperature float64 // divides logits; 0 for none
	scaled      []float32
	collected   *metrics.Collector
	indices     []int32 // of the collected samples, in the data set
}

// Measure computes the figures. Merge the report first.
func (m *Report) Measure(o metrics.Options) (err error) {
	m.Figures, err = m.collected.Figures(o)
	return err
}

// Collected returns the source of the figures; nil in a report that was read from a file.
func (m *Report) Collected() *metrics.Collector { return m.collected }

// Samples visits each sample with the model's answer and its index in the data set.
func (m *Report) Samples(visit func(index int, s metrics.Sample) error) error {
	for i, index := range m.indices {
		if err := visit(int(index), m.collected.Sample(i)); err != nil {
			return err
		}
	}
	return nil
}

// Examine runs a model over a data set and measures it. It returns an error when a
// label is not one of the model's classes.
func Examine(ctx context.Context, r *graph.Runner, ds data.Dataset, t data.Transform, o Options) (*Report, error) {
	m, err := ExaminePart(ctx, r, ds, t, o)
	if err != nil {
		return nil, err
	}
	return m, m.Merge(collective.Single{}, ds)
}

// ExaminePart is Examine for one rank of several: call Merge before you use the report.
func ExaminePart(ctx context.Context, r *graph.Runner, ds data.Dataset, t data.Transform, o Options) (*Report, error) {
	classes := r.Model.Classes()
	m := &Report{
		Confusion:   NewConfusion(classes),
		most:        o.Mistakes,
		temperature: o.Temperature,
		collected:   o.collector(classes, ds),
	}
	skipped, err := Each(ctx, r, ds, t, o, func(row Row) error { return m.see(ds, row) })
	if err != nil {
		return nil, err
	}
	m.Skipped = skipped
	return m, nil
}

func (o Options) collector(classes int, ds data.Dataset) *metrics.Collector {
	c := metrics.New(classes, ds.Len(), o.KeepLogits)
	if o.ThinLogits {
		c.Thin()
	}
	return c
}

// see adds a sample.
func (m *Report) see(ds data.Dataset, row Row) error {
	if m.temperature != 0 {
		m.scaled = slices.Grow(m.scaled[:0], len(row.Logits))[:len(row.Logits)]
		metrics.Scale(m.scaled, row.Logits, m.temperature)
		row.Logits = m.scaled
	}
	m.indices = append(m.indices, int32(row.Index))
	s, err := m.collected.Add(row.Label, row.Logits)
	if err != nil {
		return fmt.Errorf("eval: %s: %w", ds.Name(row.Index), err)
	}
	if s.Rank == 0 {
		m.top1++
	}
	if s.Rank < 5 {
		m.top5++
	}
	m.Loss += s.NLL
	m.Count++
	m.Confusion.Add(row.Label, s.Answer)
	if s.Rank > 0 && s.Confidence >= 0 { // a mistake; its confidence is not NaN
		m.mistake(Mistake{Index: row.Index, Label: row.Label, Answer: s.Answer, Confidence: s.Confidence}, m.most)
	}
	return nil
}

// Confusion counts how often each class was given each answer. Only counts above zero
// take memory.
type Confusion struct {
	Classes int
	counts  map[[2]int]int
}

// NewConfusion returns a matrix without counts.
func NewConfusion(classes int) *Confusion {
	return &Confusion{Classes: classes, counts: map[[2]int]int{}}
}

// Add counts a sample of a class with the answer of the model, which is -1 if
// there is none because the logits are not numbers.
func (c *Confusion) Add(class, answer int) { c.counts[[2]int{class, answer}]++ }

// Count returns how often the model gave that answer to samples of the class.
func (c *Confusion) Count(class, answer int) int { return c.counts[[2]int{class, answer}] }

// ClassScore is the accuracy on the samples of one class.
type ClassScore struct {
	Index    int     `json:"index"`
	Name     string  `json:"name"`
	Count    int     `json:"count"` // samples
	Correct  int     `json:"correct"`
	Accuracy float64 `json:"accuracy"` // percent
	// MistakenFor is the wrong answer given most often, and Mistakes how often; -1 for none.
	MistakenFor   int `json:"mistaken_for"`
	MistakenCount int `json:"mistaken_count"`
}

// Scores returns the scores of the classes that have samples, by index.
func (c *Confusion) Scores(names []string) []ClassScore {
	byClass := map[int]*ClassScore{}
	for k, n := range c.counts {
		s := byClass[k[0]]
		if s == nil {
			s = &ClassScore{Index: k[0], Name: ClassName(names, k[0]), MistakenFor: -1}
			byClass[k[0]] = s
		}
		s.Count += n
		switch {
		case k[0] == k[1]:
			s.Correct = n
		case k[1] >= 0 && (n > s.MistakenCount || n == s.MistakenCount && k[1] < s.MistakenFor):
			s.MistakenFor, s.MistakenCount = k[1], n
		}
	}
	var scores []ClassScore
	for _, s := range byClass {
		s.Accuracy = 100 * float64(s.Correct) / float64(s.Count)
		scores = append(scores, *s)
	}
	slices.SortFunc(scores, func(a, b ClassScore) int { return a.Index - b.Index })
	return scores
}

// WorstFirst orders scores by their accuracy, equal ones by index.
func WorstFirst(scores []ClassScore) {
	slices.SortStableFunc(scores, func(a, b ClassScore) int { return cmp.Compare(a.Accuracy, b.Accuracy) })
}

// ClassName returns the name of a class, or its index if it has no name.
func ClassName(names []string, class int) string { return classes.Name(names, class) }
