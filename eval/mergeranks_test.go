package eval_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"fasternet/collective"
	"fasternet/data/picture"
	"fasternet/eval"
	"fasternet/eval/metrics"
	"fasternet/graph"
	"fasternet/kernels"
)

// spoilt has images that cannot be read.
type spoilt struct{ shades }

func (s spoilt) Image(i int) (*picture.Image, error) {
	if i%5 == 3 {
		return nil, errors.New("spoilt")
	}
	return s.shades.Image(i)
}

// Several ranks find what one finds: every sample counts once, even if the batches do not
// divide evenly, or are fewer than the ranks.
func TestMerge(t *testing.T) {
	ds := spoilt{23}
	run := func(g collective.Group) *eval.Report {
		pool := kernels.NewPool(1)
		defer pool.Close()
		m, err := eval.ExaminePart(t.Context(), graph.NewRunner(newLinear(0.5, 2, 1), pool), ds, transform(),
			eval.Options{
				Batch: 3, Workers: 1, SkipBad: true, Mistakes: 4, KeepLogits: 1000, Rank: g.Rank(), Ranks: g.Size(),
			})
		if err = errors.Join(err, m.Merge(g, ds)); err != nil {
			t.Error(err)
		}
		return m
	}
	words := func(m *eval.Report) string {
		text := fmt.Sprintf("%.9f %.9f %d %v", m.Top1, m.Top5, m.Count, m.Mistakes)
		for _, s := range m.Confusion.Scores(ds.Classes()) {
			text += fmt.Sprint(s)
		}
		for _, b := range m.Skipped {
			text += fmt.Sprint(b.Name, b.Err)
		}
		return text
	}
	want := run(collective.Single{})
	if want.Count != 19 || len(want.Skipped) != 4 || len(want.Mistakes) != 4 {
		t.Fatalf("one rank: %s", words(want))
	}
	for _, n := range []int{2, 3, 5, 11} {
		var all sync.WaitGroup
		for _, g := range collective.Local(n) {
			all.Go(func() {
				if got := run(g); words(got) != words(want) || math.Abs(got.Loss-want.Loss) > 1e-12 {
					t.Errorf("rank %d of %d: %s, loss %v\nwant %s, loss %v",
						g.Rank(), n, words(got), got.Loss, words(want), want.Loss)
				}
			})
		}
		all.Wait()
	}
}

// If nothing can be read, all ranks return the error.
func TestMergeNothing(t *testing.T) {
	var all sync.WaitGroup
	for _, g := range collective.Local(2) {
		all.Go(func() {
			m := &eval.Report{
				Confusion: eval.NewConfusion(3),
				Skipped:   []eval.Bad{{Name: "image 3", Err: errors.New("spoilt")}},
			}
			err := m.Merge(g, shades(2))
			if err == nil || err.Error() != "none of the 2 images can be read; the first: spoilt" {
				t.Errorf("%v", err)
			}
		})
	}
	all.Wait()
}

// Figures are equal to the bit for any number of ranks.
func TestMergedFigures(t *testing.T) {
	ds := spoilt{23}
	run := func(g collective.Group, limit int) string {
		pool := kernels.NewPool(1)
		defer pool.Close()
		m, err := eval.ExaminePart(t.Context(), graph.NewRunner(newLinear(0.5, 2, 1), pool), ds, transform(),
			eval.Options{
				Batch: 3, Workers: 1, SkipBad: true, KeepLogits: limit, Rank: g.Rank(), Ranks: g.Size(),
			})
		if err = errors.Join(err, m.Merge(g, ds)); err == nil {
			err = m.Measure(metrics.Options{Names: ds.Classes(), Resamples: 20})
		}
		m.Inspect(ds)
		text, err2 := json.Marshal(m.Figures)
		more, err3 := json.Marshal([]any{m.Examples, m.LabelIssues})
		if err = errors.Join(err, err2, err3); err != nil {
			t.Error(err)
		}
		return string(text) + string(more)
	}
	for _, limit := range []int{23 * 3, 23*3 - 1} {
		want := run(collective.Single{}, limit)
		if strings.Contains(want, `"roc_auc":null`) != (limit < 23*3) ||
			!strings.Contains(want, `"ece":0.`) ||
			!strings.Contains(want, `"resamples":20`) {
			t.Errorf("limit %d: %s", limit, want)
		}
		var all sync.WaitGroup
		for _, g := range collective.Local(3) {
			all.Go(func() {
				if got := run(g, limit); got != want {
					t.Errorf("rank %d: %s\nwant %s", g.Rank(), got, want)
				}
			})
		}
		all.Wait()
	}
}
