package eval

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"

	"fasternet/collective"
	"fasternet/data"
	"fasternet/eval/metrics"
	"fasternet/graph"
)

// Member is one of several models that see the same samples, each in its own way.
type Member struct {
	Runner    *graph.Runner
	Data      data.Dataset   // the same samples and labels for all members
	Transform data.Transform // with [data.Views], the probabilities of several views are averaged
}

// views returns how many images a transform makes from one.
func (m Member) views() int {
	if v, ok := m.Transform.(*data.Views); ok {
		return v.Count()
	}
	return 1
}

// sharesBatches reports whether two members see the same tensors.
func (m Member) sharesBatches(o Member) bool {
	return m.Data == o.Data &&
		m.Runner.Model.Channels() == o.Runner.Model.Channels() &&
		reflect.DeepEqual(m.Transform, o.Transform)
}

// stream makes the batches of members that see the same tensors.
type stream struct {
	it    *data.Iterator
	batch *data.Batch
}

// EachOf runs several models over the same samples and visits the samples in order, with the
// logits of each member. The logits of a member with several views are logarithms of mean
// probabilities. A sample that one member cannot read is left out for all; they are returned.
func EachOf(ctx context.Context, members []Member, o Options,
	visit func(index, label int, logits [][]float32) error) ([]Bad, error) {
	if err := checkMembers(members); err != nil {
		return nil, err
	}
	for _, m := range members { // the batches of all members have the same samples
		o.Batch = min(o.Batch, max(1, o.Batch/m.views()))
	}
	streams := make([]*stream, len(members))
	for i, m := range members {
		for k := range i {
			if m.sharesBatches(members[k]) {
				streams[i] = streams[k]
			}
		}
		if streams[i] == nil {
			loader, err := NewLoader(m.Runner, m.Data, m.Transform, o)
			if err != nil {
				return nil, err
			}
			it := loader.Part(ctx, o.Epoch, 0, loader.Steps())
			defer it.Close()
			streams[i] = &stream{it: it}
		}
	}
	var bad []Bad
	for done := 0; ; {
		for _, s := range streams {
			if s.batch != nil { // an earlier member has made it
				continue
			}
			b, err := s.it.Next()
			if errors.Is(err, io.EOF) {
				return bad, nil
			}
			if err != nil {
				return nil, err
			}
			s.batch = b
		}
		left, err := runMembers(members, streams, visit)
		if err != nil {
			return nil, err
		}
		bad = append(bad, left...)
		if done += streams[0].batch.Size; o.Progress != nil {
			o.Progress(done, members[0].Data.Len())
		}
		for _, s := range streams {
			s.batch = nil
		}
	}
}

func checkMembers(members []Member) error {
	if len(members) == 0 {
		return fmt.Errorf("eval: no model to evaluate")
	}
	for _, m := range members[1:] {
		if a, b := members[0].Runner.Model.Classes(), m.Runner.Model.Classes(); a != b {
			return fmt.Errorf("eval: the members need the same classes, but have %d and %d", a, b)
		}
		if a, b := members[0].Data.Len(), m.Data.Len(); a != b {
			return fmt.Errorf("eval: the members need the same data set, but theirs have %d and %d samples", a, b)
		}
	}
	return nil
}

// runMembers runs all members on a batch and visits the samples that all of them could read.
func runMembers(members []Member, streams []*stream,
	visit func(index, label int, logits [][]float32) error) (bad []Bad, err error) {
	first := streams[0].batch
	unread := make([]error, first.Size)
	for _, s := range streams {
		for _, b := range s.batch.Bad {
			if unread[b.At] == nil {
				unread[b.At] = b.Err
			}
		}
	}
	logits := make([][]float32, len(members))
	for i, m := range members {
		b := streams[i].batch
		if len(b.Bad) == b.Size {
			continue // skip all its samples
		}
		v := m.views()
		shape := graph.Shape{Batch: b.Size * v, Height: b.Height / v, Width: b.Width}
		_, out, err := Forward(m.Runner, shape, b.Images, false)
		if err != nil {
			return nil, err
		}
		classes := m.Runner.Model.Classes()
		logits[i] = make([]float32, b.Size*classes)
		if v == 1 {
			copy(logits[i], out)
			continue
		}
		views := make([][]float32, v)
		for k := range b.Size {
			for j := range v {
				views[j] = out[(k*v+j)*classes:][:classes]
			}
			MeanProbabilities(logits[i][k*classes:][:classes], views)
		}
	}
	rows := make([][]float32, len(members))
	for k := range first.Size {
		if unread[k] != nil {
			bad = append(bad, Bad{Name: members[0].Data.Name(first.Indices[k]), Err: unread[k]})
			continue
		}
		for i, m := range members {
			classes := m.Runner.Model.Classes()
			rows[i] = logits[i][k*classes:][:classes]
		}
		if err := visit(first.Indices[k], first.Labels[k], rows); err != nil {
			return nil, err
		}
	}
	return bad, nil
}

// MeanProbabilities averages the probabilities that several rows of logits give, and writes the
// logarithms of the means: logits whose softmax is the mean.
func MeanProbabilities(dst []float32, rows [][]float32) {
	mean := make([]float64, len(dst))
	for _, row := range rows {
		top, sum := math.Inf(-1), 0.0
		for _, v := range row {
			top = max(top, float64(v))
		}
		for _, v := range row {
			sum += math.Exp(float64(v) - top)
		}
		for k, v := range row {
			mean[k] += math.Exp(float64(v)-top) / sum
		}
	}
	for k, p := range mean {
		dst[k] = float32(math.Log(p / float64(len(rows))))
	}
}

// Together holds the reports of several models on the same samples.
type Together struct {
	Members []*Report // one for each model
	Whole   *Report   // for the mean of their probabilities; with one model, the model's own
}

// ExamineMembers measures several models on the same samples, each on its own, and if mean is set,
// also the mean of their probabilities. Then Options.Temperature is for the mean alone.
func ExamineMembers(ctx context.Context, members []Member, o Options, mean bool) (*Together, error) {
	if err := checkMembers(members); err != nil {
		return nil, err
	}
	classes, ds := members[0].Runner.Model.Classes(), members[0].Data
	report := func(keep int, temperature float64) *Report {
		o := o
		o.KeepLogits = keep
		return &Report{
			Confusion:   NewConfusion(classes),
			most:        o.Mistakes,
			temperature: temperature,
			collected:   o.collector(classes, ds),
		}
	}
	mean = mean && len(members) > 1
	keep, temperature := o.KeepLogits, o.Temperature
	if mean {
		keep, temperature = 0, 0 // only the mean needs them
	}
	var t Together
	for range members {
		t.Members = append(t.Members, report(keep, temperature))
	}
	all := t.Members
	if mean {
		t.Whole = report(o.KeepLogits, o.Temperature)
		all = append(all[:len(all):len(all)], t.Whole)
	}
	average := make([]float32, classes)
	skipped, err := EachOf(ctx, members, o, func(index, label int, logits [][]float32) error {
		for i, row := range logits {
			if err := t.Members[i].see(ds, Row{Index: index, Label: label, Logits: row}); err != nil {
				return err
			}
		}
		if t.Whole == nil {
			return nil
		}
		MeanProbabilities(average, logits)
		return t.Whole.see(ds, Row{Index: index, Label: label, Logits: average})
	})
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		r.Skipped = skipped
		if err := r.Merge(collective.Single{}, ds); err != nil {
			return nil, err
		}
	}
	if t.Whole == nil {
		t.Whole = t.Members[0]
	}
	return &t, nil
}

// McNemar compares two members sample by sample.
func (t *Together) McNemar(a, b int) (*metrics.McNemar, error) {
	m := &metrics.McNemar{}
	x, y := t.Members[a].collected, t.Members[b].collected
	for i := range x.Len() {
		m.Add(x.Sample(i).Rank == 0, y.Sample(i).Rank == 0)
	}
	return m, m.Decide()
}
